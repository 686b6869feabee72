package demo

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processAttr puts a process in a group of its own, so that Ctrl-C reaches the demo
// alone, and has it killed when the demo dies.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// adopt makes this process the parent of whatever its own processes leave behind: the
// applications of a node that was killed, which are about to be ended by their guards.
func adopt() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // without it the end is just not waited for
}

// awaitOrphans waits until the adopted processes are gone, for a while. No other process
// may be running or waited for.
func awaitOrphans(wait time.Duration) {
	for end := time.Now().Add(wait); time.Now().Before(end); {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR) || pid > 0: // there may be more
		case err != nil:
			return // none is left
		default:
			time.Sleep(5 * time.Millisecond)
		}
	}
}
