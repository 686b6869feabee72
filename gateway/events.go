package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
)

const (
	ringSize  = 1000             // events kept for readers that come back
	heartbeat = 15 * time.Second // of a silent stream, so that proxies keep it open
	writeWait = 10 * time.Second // for a reader to take an event
)

// ring keeps the newest events. Ids go on after a restart where the clock stands, so
// that a reader of the last run does not take new events for old ones.
type ring struct {
	mu     sync.Mutex // guards the rest
	next   uint64
	events []api.Event
	more   chan struct{} // closed and replaced by every new event
}

func newRing() *ring { return &ring{more: make(chan struct{})} }

func (r *ring) add(now time.Time, e api.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == 0 {
		r.next = uint64(max(1, now.UnixMilli()))
	}
	e.ID, e.Time = r.next, now.UTC()
	r.next++
	if len(r.events) == ringSize {
		r.events = append(r.events[:0:0], r.events[ringSize/10:]...)
	}
	r.events = append(r.events, e)
	close(r.more)
	r.more = make(chan struct{})
}

// after returns the events above an id, and a channel that closes with the next one.
func (r *ring) after(id uint64) ([]api.Event, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.events {
		if e.ID > id {
			return append([]api.Event(nil), r.events[i:]...), r.more
		}
	}
	return nil, r.more
}

func (r *ring) last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		return 0
	}
	return r.events[len(r.events)-1].ID
}

// streamEvents is GET /events: server-sent events from now on, or after Last-Event-ID.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) {
	last := s.events.last()
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			s.refuse(w, problem(http.StatusBadRequest, api.CodeBadRequest, "", "Last-Event-ID %.32q is not a number", text))
			return
		}
		last = id
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	send := func(text string) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(writeWait)) // not every writer has one
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	if !send(": the project's events\n\n") {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		events, more := s.events.after(last)
		for _, e := range events {
			b, _ := json.Marshal(e) // plain values
			if !send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Type, b)) {
				return
			}
			last = e.ID
		}
		select {
		case <-more:
		case <-beat.C:
			if !send(": still here\n\n") {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.stop:
			return
		}
	}
}
