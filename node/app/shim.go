//go:build unix

package app

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ShimArg is the hidden subcommand under which the program calls ShimMain.
const ShimArg = "app-exec"

// Descriptors the shim gets besides the application's three.
const (
	lifelineFD = 3 // read end of a pipe held open by the node alone
	statusFD   = 4 // where the shim says how the application ended
)

// killEvery is how often the shim looks again for descendants while it kills them.
const killEvery = 5 * time.Millisecond

// ShimMain is the process between the node and an application: "PROGRAM app-exec -- ARGV…".
// It starts ARGV with its own standard input, output and error (it never copies them), waits,
// and when the application ends or the lifeline closes (the node wants it or has died, even by
// SIGKILL), it kills all descendants, those in sessions of their own included: it is their
// reaper, so they become its children when their parents die. It ends after the last of them.
// It returns the exit status of the program.
func ShimMain() int {
	if len(os.Args) < 4 || os.Args[2] != "--" {
		fmt.Fprintln(os.Stderr, "app-exec is started by a node: app-exec -- ARGV…")
		return 2
	}
	// The application's death signal follows the thread that started it: it must not end.
	runtime.LockOSThread()
	status := os.NewFile(statusFD, "status")
	lifeline := os.NewFile(lifelineFD, "lifeline")
	if err := prepareShim(); err != nil {
		fmt.Fprintf(status, "the guard process cannot work here: %v\n", err)
		return 1
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
	end := make(chan struct{})
	go func() {
		_, _ = lifeline.Read(make([]byte, 1)) // nothing is ever written: this is the end
		close(end)
	}()
	chld := make(chan os.Signal, 1)
	signal.Notify(chld, syscall.SIGCHLD, syscall.SIGTERM)

	pid, err := syscall.ForkExec(os.Args[3], os.Args[3:], &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: appAttr(),
	})
	if err != nil {
		fmt.Fprintf(status, "it could not be executed: %v\n", err)
		return 1
	}
	letGo()
	fmt.Fprintf(status, "pid %d\n", pid)
	r := reaper{app: pid}
	r.run(end, chld)
	fmt.Fprintln(status, r.words())
	return 0
}

// letGo drops the application's pipes, so that their ends are the application's alone.
func letGo() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for fd := range 3 {
		_ = unix.Dup2(int(null.Fd()), fd)
	}
}

// reaper waits for the application and kills what it leaves behind. One goroutine does both:
// a child that is not waited for keeps its number, so no stranger can be hit.
type reaper struct {
	app     int
	ended   bool // the application was reaped
	status  syscall.WaitStatus
	killing bool // everything is to die
}

func (r *reaper) run(end <-chan struct{}, signals <-chan os.Signal) {
	var tick <-chan time.Time // while killing
	for {
		select {
		case <-end:
			r.killing, end = true, nil
		case s := <-signals:
			r.killing = r.killing || s == syscall.SIGTERM
		case <-tick:
		}
		if appEnded(r.app) {
			r.killing = true
		}
		if r.killing {
			r.kill()
		}
		if r.reap() {
			return
		}
		if r.killing && tick == nil {
			tick = time.Tick(killEvery)
		}
	}
}

// kill sends SIGKILL to the application's group and to every child.
func (r *reaper) kill() {
	if !r.ended {
		_ = syscall.Kill(-r.app, syscall.SIGKILL)
	}
	for _, pid := range children() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// reap collects dead children; it reports whether none are left, dead or alive.
func (r *reaper) reap() bool {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return true // ECHILD
		case pid == 0:
			return false
		case pid == r.app:
			r.ended, r.status = true, ws
			r.killing = true
			appReaped(pid)
		}
	}
}

// words says how the application ended.
func (r *reaper) words() string {
	if r.status.Signaled() {
		return "killed by signal " + r.status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", r.status.ExitStatus())
}
