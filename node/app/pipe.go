package app

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// pipe is one pipe between the node and a child.
type pipe struct{ r, w *os.File }

// pipes are all of a child's: the application's three, the lifeline (read by the shim) and the
// status (written by the shim).
type pipes struct{ stdin, stdout, stderr, life, status pipe }

func (p *pipes) all() []*pipe {
	return []*pipe{&p.stdin, &p.stdout, &p.stderr, &p.life, &p.status}
}

func (p *pipes) open() error {
	for _, q := range p.all() {
		var err error
		if q.r, q.w, err = os.Pipe(); err != nil {
			p.closeAll()
			return err
		}
	}
	return nil
}

func (p *pipes) closeAll() {
	for _, q := range p.all() {
		_ = q.r.Close() // Close of a nil *os.File is an error, not a panic
		_ = q.w.Close()
	}
}

// closeTheirs closes the ends that the child has inherited.
func (p *pipes) closeTheirs() {
	for _, f := range []*os.File{p.stdin.r, p.stdout.w, p.stderr.w, p.life.r, p.status.w} {
		_ = f.Close()
	}
}

// shimStatus is what the shim said of the application.
type shimStatus struct {
	pid  int    // 0: never started
	text string // how it ended, in words
}

// readStatus reads the shim's lines: "pid N", then one in words.
func readStatus(r io.Reader) shimStatus {
	var st shimStatus
	sc := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for sc.Scan() {
		if n, ok := strings.CutPrefix(sc.Text(), "pid "); ok {
			st.pid, _ = strconv.Atoi(n)
			continue
		}
		st.text = sc.Text()
	}
	return st
}

// maxPending bounds what waits for an application that does not read, in bytes.
const maxPending = 64 << 20

// stdin writes lines to an application without ever blocking who has them.
type stdin struct {
	file *os.File

	mu      sync.Mutex // guards what follows
	ready   sync.Cond
	lines   [][]byte
	pending int
	ending  bool // close after the last line
}

func newStdin(f *os.File) *stdin {
	s := &stdin{file: f}
	s.ready.L = &s.mu
	return s
}

// put queues a line; false when too much waits already.
func (s *stdin) put(line []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return true
	}
	if s.pending+len(line) > maxPending {
		return false
	}
	s.lines = append(s.lines, line)
	s.pending += len(line)
	s.ready.Signal()
	return true
}

// finish closes standard input after what is queued.
func (s *stdin) finish() {
	s.mu.Lock()
	s.ending = true
	s.ready.Signal()
	s.mu.Unlock()
}

// abort closes standard input now, which also ends a write that is blocked.
func (s *stdin) abort() {
	s.mu.Lock()
	s.ending, s.lines = true, nil
	s.ready.Signal()
	s.mu.Unlock()
	_ = s.file.Close()
}

// run writes until finish or abort. A failed write means that the application closed its
// standard input or is gone; its exit or a deadline will tell.
func (s *stdin) run() {
	defer s.file.Close()
	for {
		s.mu.Lock()
		for len(s.lines) == 0 && !s.ending {
			s.ready.Wait()
		}
		if len(s.lines) == 0 {
			s.mu.Unlock()
			return
		}
		line := s.lines[0]
		s.lines = s.lines[1:]
		s.mu.Unlock()
		_, err := s.file.Write(line)
		s.mu.Lock()
		s.pending -= len(line)
		if err != nil {
			s.ending, s.lines = true, nil
		}
		s.mu.Unlock()
	}
}
