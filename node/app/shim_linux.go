package app

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// prepareShim makes the shim the reaper of all its descendants and keeps descriptors that the
// node itself had inherited away from the application.
func prepareShim() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	syscall.CloseOnExec(lifelineFD)
	syscall.CloseOnExec(statusFD)
	// Kernels before 5.11 lack it; the node opens everything close-on-exec anyway.
	_ = unix.CloseRange(statusFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	return nil
}

// appAttr puts the application into a group of its own and ties it to the shim's life.
func appAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// appEnded reports whether the application has ended, leaving it to be reaped: while it is not,
// its number still names its group.
func appEnded(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}

// appReaped has nothing to do: what the application left behind are this process's children now.
func appReaped(int) {}

// children lists this process's children.
func children() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	self := os.Getpid()
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parentOf(pid) == self {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf returns a process's parent, 0 if it is gone. In /proc/N/stat it is the second field
// after the name, which is in parentheses and may hold anything.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(string(f[1]))
	return ppid
}
