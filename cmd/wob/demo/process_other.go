//go:build unix && !linux

package demo

import (
	"os"
	"syscall"
	"time"
)

// processAttr puts a process in a group of its own, so that Ctrl-C reaches the demo alone.
func processAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// adopt and awaitOrphans have no counterpart here: see process_linux.go.
func adopt() {}

func awaitOrphans(time.Duration) {}
