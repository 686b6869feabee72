package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// seconds renders a time the short way people read it.
func seconds(s float64) string {
	if s < 60 {
		return fmt.Sprintf("%.1fs", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// bytesText renders a size.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// shortPeer is the part of a peer ID that tells nodes apart: the ids begin alike.
func shortPeer(id string) string {
	if len(id) <= 12 {
		return id
	}
	return "…" + id[len(id)-8:]
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// output is standard output. It remembers what could not be written, so that a command
// whose answer was lost does not end as if all were well.
type output struct {
	w      io.Writer
	mu     sync.Mutex // guards failed
	failed error
}

// Write passes b on. A reader that went away lost nothing it wanted.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.failed == nil {
			o.failed = err
		}
	}
	return n, err
}

// isTerminal reports whether w is a terminal, where lines may be rewritten.
func isTerminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	f, ok := w.(*os.File)
	return ok && terminal(f)
}

// colours reports whether w may get colours (https://no-color.org).
func colours(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// statusLine is a line that is rewritten on a terminal; elsewhere it is written anew,
// every few seconds at most and only when it changed.
type statusLine struct {
	w        io.Writer
	tty      bool
	shown    bool
	last     string
	lastTime time.Time
}

func newStatusLine(w io.Writer) *statusLine { return &statusLine{w: w, tty: isTerminal(w)} }

func (l *statusLine) set(s string) {
	if l.tty {
		fmt.Fprintf(l.w, "\r\x1b[K%s", s)
		l.shown = true
		return
	}
	if now := time.Now(); s != l.last && now.Sub(l.lastTime) >= 2*time.Second {
		fmt.Fprintln(l.w, s)
		l.last, l.lastTime = s, now
	}
}

func (l *statusLine) done() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
	}
}
