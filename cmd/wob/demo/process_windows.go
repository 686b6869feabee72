package demo

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// processAttr puts a process in a group of its own, so that Ctrl-C reaches the demo alone.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func terminate(*os.Process) error { return errors.ErrUnsupported }

// adopt and awaitOrphans have no counterpart here: see process_linux.go.
func adopt() {}

func awaitOrphans(time.Duration) {}
