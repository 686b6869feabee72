package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/work"
)

// Event is a fact reported by one of a project's machines, as logs, event streams and
// pages see it.
type Event struct {
	ID      uint64    `json:"id"` // consecutive within one node's life
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	Name    string    `json:"event"` // the event's type in lower camel case: split, checkpointed, ...
	Data    any       `json:"data"`  // its fields, by name in lower camel case
}

// Bus hands every event to its listeners: logs, the event stream, counters. A listener
// that does not keep up misses events and sees a gap in the IDs; nobody waits for it.
type Bus struct {
	project string
	logger  *slog.Logger

	mu     sync.Mutex // guards the fields below
	next   uint64
	counts map[string]uint64
	subs   map[chan Event]struct{}
}

func newBus(project string, logger *slog.Logger) *Bus {
	return &Bus{project: project, logger: logger, counts: map[string]uint64{}, subs: map[chan Event]struct{}{}}
}

// publish makes an event of a machine's fact.
func (b *Bus) publish(fact any) {
	name, fields := describe(fact)
	b.log(name, fact, fields)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	b.counts[lowerFirst(name)]++
	if len(b.subs) == 0 {
		return
	}
	data := make(map[string]any, len(fields))
	for _, f := range fields {
		data[f.Key] = f.Value.Any()
	}
	ev := Event{ID: b.next, Time: time.Now(), Project: b.project, Name: lowerFirst(name), Data: data}
	for ch := range b.subs {
		select {
		case ch <- ev:
		default: // a slow listener misses it and sees the gap
		}
	}
}

// Subscribe returns a channel of the events from now on; cancel ends it.
func (b *Bus) Subscribe(buffer int) (events <-chan Event, cancel func()) {
	ch := make(chan Event, buffer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[ch] = struct{}{}
	var once sync.Once
	return ch, func() {
		once.Do(func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.subs, ch)
			close(ch)
		})
	}
}

// Counts returns how often each event happened.
func (b *Bus) Counts() map[string]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := make(map[string]uint64, len(b.counts))
	for k, v := range b.counts {
		counts[k] = v
	}
	return counts
}

func (b *Bus) log(name string, fact any, fields []slog.Attr) {
	level := slog.LevelInfo
	switch fact.(type) {
	case overlay.Rejected, work.Rejected, work.AppFailed, work.GaveUp, overlay.Isolated:
		level = slog.LevelWarn
	case overlay.Located, overlay.WorkAt, overlay.WorkloadRose, overlay.EntryGone,
		work.Asked, work.Refused, work.Checkpointed, work.Progressed, work.Computing, work.Split, work.MergedChild,
		work.Received, work.Finished, work.Acked, work.Waits:
		level = slog.LevelDebug
	}
	if b.logger.Enabled(context.Background(), level) {
		//nolint:sloglint // the name of one of the machines' event types: as constant as a literal
		b.logger.LogAttrs(context.Background(), level, name, fields...)
	}
}

// describe returns an event's type name and its fields.
func describe(fact any) (name string, fields []slog.Attr) {
	v := reflect.ValueOf(fact)
	t := v.Type()
	for i := range t.NumField() {
		fields = append(fields, slog.Any(lowerFirst(t.Field(i).Name), v.Field(i).Interface()))
	}
	return t.Name(), fields
}

// lowerFirst turns a Go name into the lower camel case of JSON: WOB to wob, MergedChild
// to mergedChild.
func lowerFirst(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}

// Line renders an event for people, one line without the time.
func (e Event) Line() string {
	var b strings.Builder
	b.WriteString(e.Name)
	data, ok := e.Data.(map[string]any)
	if !ok {
		return b.String()
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return b.String()
	}
	fmt.Fprintf(&b, " %s", raw)
	return b.String()
}
