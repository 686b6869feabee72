//go:build unix && !linux

package app

import "syscall"

// Elsewhere than on Linux descendants are followed by process group alone: one that makes a
// group of its own escapes.

func prepareShim() error {
	syscall.CloseOnExec(lifelineFD)
	syscall.CloseOnExec(statusFD)
	return nil
}

func appAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// appEnded leaves it to reap to find out.
func appEnded(int) bool { return false }

// appReaped kills what the application left in its group.
func appReaped(pid int) { killGroup(pid) }

func children() []int { return nil }
