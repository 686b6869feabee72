package stream

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/wobcompute/wobcompute/protocols"
)

// item is one message that waits to be sent.
type item struct {
	body protocols.Body
	kind protocols.Kind
	size int // estimated
}

func valueOf(b protocols.Body) reflect.Value { return reflect.ValueOf(b) }

// link sends one prefix's messages to one peer: a bounded queue and, while there is something to do, a writer
// with a stream.
type link struct {
	r      *remote
	prefix protocols.Prefix
	wake   chan struct{} // holds one token: the queue or a flag below changed

	// Guarded by m.mu.
	queue   []item
	bytes   int
	running bool           // a writer exists
	closing bool           // end when the queue is empty
	move    bool           // a better connection exists
	s       network.Stream // the writer's, nil while it has none
	done    chan struct{}  // closed when the writer has ended
}

func (r *remote) linkLocked(prefix protocols.Prefix) *link {
	l := r.links[prefix]
	if l == nil {
		l = &link{r: r, prefix: prefix, wake: make(chan struct{}, 1)}
		r.links[prefix] = l
	}
	return l
}

func (l *link) wakeLocked() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// startLocked sees to it that a writer looks at the queue.
func (l *link) startLocked() {
	if l.running {
		l.wakeLocked()
		return
	}
	done := make(chan struct{})
	if l.r.m.taskLocked(func() { defer close(done); l.run() }) {
		l.running, l.done = true, done
	}
}

func (l *link) pushLocked(it item) {
	m := l.r.m
	limits := &m.cfg.Limits
	if len(l.queue) >= limits.QueueFrames || (len(l.queue) > 0 && l.bytes+it.size > limits.QueueBytes) {
		lost := append(l.takeAllLocked(), it)
		if s := l.s; s != nil {
			m.taskLocked(func() { _ = s.Reset() }) // may wait for the connection
		}
		m.taskLocked(func() { m.failNow(l.r.node, lost, ErrQueueFull) })
		return
	}
	l.queue = append(l.queue, it)
	l.bytes += it.size
	l.startLocked()
}

func (l *link) takeAllLocked() []item {
	all := l.queue
	l.queue, l.bytes = nil, 0
	return all
}

// pop takes the oldest message.
func (l *link) pop() (it item, ok bool) {
	l.r.m.mu.Lock()
	defer l.r.m.mu.Unlock()
	if len(l.queue) == 0 {
		return item{}, false
	}
	it = l.queue[0]
	l.queue[0] = item{}
	l.queue = l.queue[1:]
	l.bytes -= it.size
	return it, true
}

// run is the writer: it opens a stream, sends what is queued, and ends when there is nothing left
// to do or the peer is not to be reached.
func (l *link) run() {
	m := l.r.m
	for {
		var w *writer
		s, err := l.open()
		if err == nil {
			w = newWriter(l, s)
			err = w.pump()
			w.end(err)
		}
		m.mu.Lock()
		l.s, l.move = nil, false
		wanted := len(l.queue) > 0 || (l.prefix == protocols.PrefixNode && l.r.attempt != nil)
		// A stream that ended before it took anything is a refusal, not an end to start anew after.
		again := wanted && m.ctx.Err() == nil && w != nil && w.failed == nil && (w.sent > 0 || errors.Is(err, errMoved))
		if again {
			m.mu.Unlock()
			continue
		}
		lost := l.takeAllLocked()
		if l.prefix == protocols.PrefixNode {
			l.r.settleLocked(fmt.Errorf("no handshake: %w", orClosed(err)))
		}
		l.running, l.closing = false, false
		m.forgetLocked(l.r)
		m.mu.Unlock()
		m.failNow(l.r.node, lost, orClosed(err))
		return
	}
}

func orClosed(err error) error {
	if err == nil {
		return ErrClosed
	}
	return err
}

// open makes the link's stream, after the handshake.
func (l *link) open() (network.Stream, error) {
	m := l.r.m
	if l.prefix != protocols.PrefixNode {
		if err := m.await(l.r.id); err != nil {
			return nil, err
		}
	}
	s, err := m.newStream(l.r.id, l.prefix)
	if err != nil {
		return nil, err
	}
	if l.prefix == protocols.PrefixNode {
		if err := m.greet(l.r, s); err != nil {
			_ = s.Reset()
			return nil, err
		}
	}
	m.mu.Lock()
	l.s = s
	m.mu.Unlock()
	return s, nil
}

// drain gives what is queued for a peer a short time and ends its links.
func (m *Mux) drain(id peer.ID) {
	m.mu.Lock()
	var waits []chan struct{}
	if r := m.peers[id]; r != nil {
		for _, l := range r.links {
			if l.running {
				l.closing = true
				l.wakeLocked()
				waits = append(waits, l.done)
			}
		}
	}
	m.mu.Unlock()
	limit := time.NewTimer(m.cfg.Limits.Drain)
	defer limit.Stop()
	for _, done := range waits {
		select {
		case <-done:
		case <-limit.C:
			return
		case <-m.ctx.Done():
			return
		}
	}
}
