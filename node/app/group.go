//go:build unix

package app

import "syscall"

// ownGroup keeps signals of the terminal (Ctrl-C) from a shim: the node stops it in good order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a process group.
func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }
