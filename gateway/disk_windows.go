package gateway

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// diskFree returns the bytes that are free for us, and all bytes, on a directory's disk.
func diskFree(dir string) (free, total int64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	var f, t uint64
	if err := windows.GetDiskFreeSpaceEx(name, &f, &t, nil); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(f), int64(t), nil
}
