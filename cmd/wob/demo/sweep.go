package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// A demo that is killed leaves its directory behind. The next one removes it: a lock in
// it tells whether its owner lives.

const (
	dirPattern = "wob-demo-*"
	ownerFile  = "owner.lock"
	emptyFor   = time.Minute // a directory without a lock is a new one for so long
)

// ownDir makes a directory for a demo and locks it; release lets it go.
func ownDir() (dir string, release func(), err error) {
	for range 10 {
		if dir, err = os.MkdirTemp("", dirPattern); err != nil {
			return "", nil, err
		}
		lock := flock.New(filepath.Join(dir, ownerFile))
		ok, err := lock.TryLock()
		if errors.Is(err, fs.ErrNotExist) {
			continue // swept before it was locked
		}
		if err != nil {
			return "", nil, errors.Join(err, os.RemoveAll(dir))
		}
		if _, err := os.Stat(lock.Path()); ok && err == nil {
			return dir, func() { _ = lock.Unlock() }, nil
		}
		_ = lock.Unlock() // likewise: it is the sweeper's
	}
	return "", nil, errors.New("it is swept away at once, again and again")
}

// sweep removes the directories of demos that are no more. Errors are not this demo's
// affair.
func sweep(now time.Time) (removed int) {
	all, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPattern)) // the pattern is good
	for _, dir := range all {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !mine(info) {
			continue
		}
		file := filepath.Join(dir, ownerFile)
		if _, err := os.Lstat(file); err != nil {
			if now.Sub(info.ModTime()) > emptyFor && os.Remove(dir) == nil { // if it is empty
				removed++
			}
			continue
		}
		lock := flock.New(file)
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		if runtime.GOOS == "windows" {
			_ = lock.Unlock() // an open file cannot be removed there
		}
		if removeAll(dir) == nil {
			removed++
		}
		_ = lock.Unlock()
	}
	return removed
}

// leftovers tells people what was swept.
func leftovers(n int) string {
	if n == 1 {
		return "removed what a demo that was killed had left"
	}
	return fmt.Sprintf("removed what %d demos that were killed had left", n)
}
