package demo

import (
	"os"
	"syscall"
)

// processAttr puts a process in a group of its own, so that Ctrl-C reaches the demo
// alone, and has it killed when the demo dies.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
