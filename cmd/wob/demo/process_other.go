//go:build unix && !linux

package demo

import (
	"os"
	"syscall"
)

// processAttr puts a process in a group of its own, so that Ctrl-C reaches the demo alone.
func processAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
