package main

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// gatewayLock, in a project directory, is held locked for as long as a gateway of the
// project runs. The lock ends with its process, however that happens.
const gatewayLock = "gateway.lock"

// lockGateway makes this process the only gateway of the project in dir: a second one,
// with a store of its own, would split the project in two.
func lockGateway(dir string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(dir, gatewayLock))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the project directory: %w", err)
	}
	if ok {
		return func() { _ = lock.Unlock() }, nil // the descriptor is closed either way
	}
	where := ""
	if url, err := readGatewayInfo(dir); err == nil && url != "" {
		where = ", at " + url
	}
	return nil, failed(exitFailed, "the gateway of the project in %s runs already%s; use that one, or stop it before you start another", dir, where)
}
