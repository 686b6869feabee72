//go:build linux || darwin || freebsd

package gateway

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// diskFree returns the bytes that are free for us, and all bytes, on a directory's disk.
func diskFree(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil //nolint:unconvert // types differ between systems
}
