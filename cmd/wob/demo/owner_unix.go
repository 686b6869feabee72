//go:build unix

package demo

import (
	"io/fs"
	"os"
	"syscall"
)

// mine reports whether a directory belongs to who runs this demo: others share /tmp.
func mine(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
