package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// tailLines is how many log lines of a process are shown when something goes wrong.
const tailLines = 12

// stopWait bounds the orderly end of a process.
const stopWait = 6 * time.Second

// process is a gateway or a node. It cannot outlive the demo: its standard input is a
// lifeline that closes when the demo ends, however that happens, and where the system
// can, it signals the demo's death as well.
type process struct {
	name     string
	cmd      *exec.Cmd
	lifeline io.Closer
	log      *tail
	ended    chan struct{} // closed once it is gone
	err      error         // how it ended; valid then
	expected bool          // it was told to end; the demo's loop alone uses it
}

// starter starts processes from one thread that lasts: the signal of a parent's death
// goes by the thread that forked.
type starter struct{ todo chan func() }

func newStarter() starter {
	s := starter{todo: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for f := range s.todo {
			f()
		}
	}()
	return s
}

func (s starter) close() { close(s.todo) }

// start runs the program, with tmp for its temporary files. Each line of its standard
// output goes to lines.
func (s starter) start(name, program string, args []string, tmp, logDir string, lines func([]byte)) (*process, error) {
	p := &process{name: name, log: new(tail), ended: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = append(cleanEnv(), "TMPDIR="+tmp, "TMP="+tmp)
	p.cmd.SysProcAttr = processAttr()
	p.cmd.WaitDelay = time.Second
	if logDir != "" {
		f, err := os.Create(filepath.Join(logDir, name+".log"))
		if err != nil {
			return nil, fmt.Errorf("log of %s: %w", name, err)
		}
		p.log.file = f
	}
	p.cmd.Stderr = p.log
	lifeline, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.lifeline = lifeline
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	started := make(chan error)
	s.todo <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		in := bufio.NewScanner(out)
		in.Buffer(nil, 4<<20)
		for in.Scan() {
			lines(in.Bytes())
		}
		_, _ = io.Copy(io.Discard, out) // after a line too long to be ours
		p.err = p.cmd.Wait()
		p.log.close()
		close(p.ended)
	}()
	return p, nil
}

// cleanEnv is the environment without settings for other nodes; the level of the log is one
// for these, too.
func cleanEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "WOB_") || strings.HasPrefix(v, "WOB_LOG=") {
			env = append(env, v)
		}
	}
	return env
}

// kill ends a process the hard way, at once.
func (p *process) kill() {
	p.expected = true
	_ = p.cmd.Process.Kill() // it may have ended by itself
}

// stopAll ends processes in order, those that take too long the hard way, and waits
// until all are gone.
func stopAll(all []*process, gently bool) {
	var wg sync.WaitGroup
	for _, p := range all {
		p.expected = true
		wg.Go(func() {
			if gently && terminate(p.cmd.Process) == nil {
				select {
				case <-p.ended:
				case <-time.After(stopWait):
				}
			}
			_ = p.cmd.Process.Kill()
			<-p.ended
			_ = p.lifeline.Close()
		})
	}
	wg.Wait()
}

// readyLine is the first line of a gateway or node.
type readyLine struct {
	Event string   `json:"event"`
	URL   string   `json:"url"`
	Peer  string   `json:"peer"`
	Addrs []string `json:"addrs"`
}

// awaitReady waits for the ready line of a process that has just been started.
func awaitReady(ctx context.Context, p *process, lines <-chan []byte) (readyLine, error) {
	var r readyLine
	select {
	case b := <-lines:
		if err := json.Unmarshal(b, &r); err != nil || r.Event != "ready" {
			return r, fmt.Errorf("%s said %.100q instead of being ready", p.name, b)
		}
		return r, nil
	case <-p.ended:
		return r, fmt.Errorf("%s ended at its start: %w", p.name, orClean(p.err))
	case <-time.After(30 * time.Second):
		return r, fmt.Errorf("%s was not ready after 30 s", p.name)
	case <-ctx.Done():
		return r, ctx.Err()
	}
}

// orClean gives a name to an end without an error.
func orClean(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// tail keeps the last lines of a log, and all of it in a file if there is one.
type tail struct {
	mu    sync.Mutex // guards the fields below
	lines []string
	part  string // of an unfinished line
	file  *os.File
}

// Write takes a piece of the log.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file != nil {
		_, _ = t.file.Write(b) // the demo goes on without its log
	}
	all := strings.Split(t.part+string(b), "\n")
	t.part = all[len(all)-1]
	t.lines = append(t.lines, all[:len(all)-1]...)
	if n := len(t.lines); n > tailLines {
		t.lines = append([]string(nil), t.lines[n-tailLines:]...)
	}
	return len(b), nil
}

func (t *tail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

// String returns the last lines, indented.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return "    (no log)"
	}
	return "    " + strings.Join(t.lines, "\n    ")
}
