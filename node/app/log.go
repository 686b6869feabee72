package app

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"unicode/utf8"
)

// tailBytes is how much of standard error a Down carries.
const tailBytes = 4 << 10

// appLog collects what an application prints: the last lines in memory, all of it (bounded)
// in a file where one is asked for. Safe for concurrent use.
type appLog struct {
	mu   sync.Mutex // guards all fields
	tail []byte
	cut  bool // something before tail was dropped
	path string
	file *os.File
	size int64
}

// newAppLog opens the log. A file that cannot be opened must not stop the application: its
// error is returned beside a log that works without it.
func newAppLog(path string) (*appLog, error) {
	l := &appLog{path: path}
	if path == "" {
		return l, nil
	}
	return l, l.open()
}

func (l *appLog) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if st, err := f.Stat(); err == nil {
		l.size = st.Size()
	}
	l.file = f
	return nil
}

// Write appends to the log; it never fails, a full disk must not stop an application.
func (l *appLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if over := len(l.tail) - tailBytes; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
		l.cut = true
	}
	if l.file != nil {
		if l.size+int64(len(p)) > LogBytes {
			l.rotate()
		}
		if l.file != nil {
			n, _ := l.file.Write(p)
			l.size += int64(n)
		}
	}
	return len(p), nil
}

// rotate keeps one old file, so a log takes at most twice LogBytes.
func (l *appLog) rotate() {
	_ = l.file.Close()
	l.file, l.size = nil, 0
	if os.Rename(l.path, l.path+".old") == nil {
		_ = l.open()
	}
}

// line logs a line that the application printed on standard output.
func (l *appLog) line(b []byte) {
	if len(b) > tailBytes {
		b = b[:tailBytes]
	}
	_, _ = l.Write(append(bytes.Clone(b), '\n'))
}

// last returns the last whole lines, valid UTF-8, at most tailBytes.
func (l *appLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tail
	if l.cut {
		if i := bytes.IndexByte(t, '\n'); i >= 0 && i+1 < len(t) {
			t = t[i+1:]
		}
	}
	if utf8.Valid(t) {
		return string(t)
	}
	return strings.ToValidUTF8(string(t), "?") // one byte for one or more, so it never grows
}

func (l *appLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}
