package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/wob/appapi"
)

// child is the operating system's side of a process: the shim, which holds the application and
// its descendants, and the pipes to them.
type child struct {
	shim     *exec.Cmd
	stdin    *stdin
	lifeline *os.File // its end tells the shim to kill everything
	once     sync.Once
	scratch  string
}

// spawn starts a process and the goroutines that read from it; they report on p.in, exited last.
func (m *Manager) spawn(p *process) (*child, error) {
	argv, err := resolve(p.cmd)
	if err != nil {
		return nil, err
	}
	if argv, err = m.shim(argv); err != nil {
		return nil, err
	}
	scratch, err := m.scratch(p.proc)
	if err != nil {
		return nil, fmt.Errorf("no scratch directory: %w", err)
	}
	var ps pipes
	if err := ps.open(); err != nil {
		_ = os.RemoveAll(scratch)
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = p.cmd.Dir
	cmd.Env = environ(scratch)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ps.stdin.r, ps.stdout.w, ps.stderr.w
	cmd.ExtraFiles = []*os.File{ps.life.r, ps.status.w} // descriptors 3 and 4 of the shim
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		ps.closeAll()
		_ = os.RemoveAll(scratch)
		return nil, err
	}
	ps.closeTheirs()
	c := &child{shim: cmd, stdin: newStdin(ps.stdin.w), lifeline: ps.life.w, scratch: scratch}
	c.watch(p, &ps)
	return c, nil
}

// watch starts the goroutines of a running child.
func (c *child) watch(p *process, ps *pipes) {
	var readers sync.WaitGroup
	readers.Go(func() { c.listen(p, ps.stdout.r) })
	readers.Go(func() { _, _ = io.Copy(p.out, ps.stderr.r) })
	status := make(chan shimStatus, 1)
	go func() { status <- readStatus(ps.status.r) }()
	writer := make(chan struct{})
	go func() { c.stdin.run(); close(writer) }()
	go func() {
		err := c.shim.Wait()
		c.kill()
		// What is left in the pipes is read; only a process that escaped through a
		// descriptor passed elsewhere could hold them open longer.
		soon := time.Now().Add(time.Second)
		for _, f := range []*os.File{ps.stdout.r, ps.stderr.r, ps.status.r} {
			_ = f.SetReadDeadline(soon)
		}
		st := <-status
		if err != nil && st.pid > 0 {
			killGroup(st.pid) // the shim was killed from outside: do what it cannot do any more
		}
		readers.Wait()
		<-writer
		for _, f := range []*os.File{ps.stdout.r, ps.stderr.r, ps.status.r} {
			_ = f.Close()
		}
		_ = os.RemoveAll(c.scratch)
		if st.text == "" {
			st.text = fmt.Sprintf("its guard process ended: %v", err)
		}
		p.in <- exited{status: st.text}
	}()
}

// listen reads the application's standard output to its end.
func (c *child) listen(p *process, r io.Reader) {
	lines := newLineReader(r, appapi.MaxLine)
	for {
		line, err := lines.next()
		if err == nil {
			p.in <- heard{line}
			continue
		}
		p.in <- closed{err}
		_, _ = io.Copy(io.Discard, r) // the writer must not block on its way out
		return
	}
}

// kill lets go of the lifeline, so that the shim kills all; safe to repeat.
func (c *child) kill() {
	c.once.Do(func() {
		_ = c.lifeline.Close()
		c.stdin.abort()
	})
}

// scratch makes the empty private directory of a process number.
func (m *Manager) scratch(proc int) (string, error) {
	if m.cfg.ScratchRoot == "" {
		return os.MkdirTemp("", "wob-app-")
	}
	root, err := filepath.Abs(m.cfg.ScratchRoot)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, fmt.Sprintf("proc-%d", proc))
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// environ is the whole environment of an application (protocol).
func environ(scratch string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"HOME=" + scratch,
		"TMPDIR=" + scratch,
		fmt.Sprintf("WOB_APP_PROTOCOL=%d", appapi.Version),
	}
}

// resolve returns the argument vector with the program as an absolute path.
func resolve(c Command) ([]string, error) {
	if len(c.Run) == 0 || c.Run[0] == "" {
		return nil, errors.New("no command given (\"run\" in app.json)")
	}
	word := c.Run[0]
	path := word
	var err error
	switch {
	case filepath.IsAbs(word):
	case strings.ContainsRune(word, '/'):
		path, err = filepath.Abs(filepath.Join(c.Dir, word))
	default:
		if path, err = exec.LookPath(word); err != nil {
			return nil, fmt.Errorf("program %q is not in PATH", word)
		}
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("program %q: %w", word, err)
	} else if st.IsDir() || st.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("program %q is not executable", word)
	}
	return append([]string{path}, c.Run[1:]...), nil
}
