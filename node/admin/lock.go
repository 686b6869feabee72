package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// ErrRunning is wrapped when another process has the data directory.
var ErrRunning = errors.New("a node is running already")

// lockFile is held locked for as long as a process works in the data directory. Unlike
// a process ID in a file, a lock ends with its process and is never another's.
const lockFile = "node.lock"

// Lock takes a node's data directory, which it makes if need be, for this process. The
// error wraps ErrRunning if another process has it, after a wait for one that only looks.
func Lock(data string) (unlock func(), err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	lock := flock.New(filepath.Join(data, lockFile))
	ok, err := lock.TryLockContext(ctx, 20*time.Millisecond)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w with the data directory %s; stop it, or give this one another directory with --data", ErrRunning, data)
	}
	if err != nil || !ok {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil // the descriptor is closed either way
}

// locked reports whether a process has the data directory.
func locked(data string) bool {
	file := filepath.Join(data, lockFile)
	if _, err := os.Stat(file); err != nil {
		return false // and none is made by looking
	}
	lock := flock.New(file)
	ok, err := lock.TryRLock()
	if ok {
		_ = lock.Unlock()
	}
	return err == nil && !ok
}
