package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/node"
)

// eventBuffer is how many events a slow listener may be behind before it misses some.
const eventBuffer = 4096

// keepAlive is how often a silent stream says that it is still there.
const keepAlive = 15 * time.Second

// Feed merges the event buses of all of a node's projects, of those joined later too.
type Feed struct {
	node *node.Node

	mu   sync.Mutex // guards news
	news chan struct{}
}

// NewFeed returns the feed of a node.
func NewFeed(n *node.Node) *Feed { return &Feed{node: n, news: make(chan struct{})} }

// Refresh makes listeners look for projects that were joined since.
func (f *Feed) Refresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.news)
	f.news = make(chan struct{})
}

func (f *Feed) changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news
}

// Follow calls fn with every event from now on, in turn, until ctx ends or fn fails. An
// idle call of fn, with nil, comes after every keepAlive of silence.
func (f *Feed) Follow(ctx context.Context, fn func(*node.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var pumps sync.WaitGroup
	defer pumps.Wait()
	defer cancel()
	all := make(chan node.Event, eventBuffer)
	known := map[*node.Project]bool{}
	timer := time.NewTimer(keepAlive)
	defer timer.Stop()
	for {
		changed := f.changed() // before looking, so that no project falls between
		for _, p := range f.node.Projects() {
			if !known[p] {
				known[p] = true
				events, end := p.Events().Subscribe(eventBuffer)
				pumps.Go(func() { pump(ctx, events, all); end() })
			}
		}
		for again := true; again; {
			timer.Reset(keepAlive)
			var err error
			select {
			case ev := <-all:
				err = fn(&ev)
			case <-timer.C:
				err = fn(nil)
			case <-changed:
				again = false
			case <-ctx.Done():
				return ctx.Err()
			}
			if err != nil {
				return err
			}
		}
	}
}

// pump hands on events, giving them up rather than holding the bus.
func pump(ctx context.Context, from <-chan node.Event, to chan<- node.Event) {
	for {
		select {
		case ev := <-from:
			select {
			case to <- ev:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// events streams server-sent events: the event's name, and the event as JSON.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if err := out.Flush(); err != nil {
		return
	}
	_ = out.SetReadDeadline(time.Time{}) // the stream lasts longer than a request may take
	// An error ends the stream, and the listener sees that.
	_ = s.feed.Follow(ctx, func(ev *node.Event) error {
		text := []byte(": still here\n\n")
		if ev != nil {
			b, err := json.Marshal(ev)
			if err != nil {
				return fmt.Errorf("encode event: %w", err)
			}
			text = fmt.Appendf(nil, "event: %s\ndata: %s\n\n", ev.Name, b)
		}
		if err := out.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		return out.Flush()
	})
}
