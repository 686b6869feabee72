package stream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/wobcompute/wobcompute/protocols"
)

var (
	errEnded = errors.New("the peer ended the stream")
	errMoved = errors.New("the link moves to a better connection")
)

// flushEvery bounds how many messages wait in the write buffer, and are reported as failed together.
const flushEvery = 128

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

// newStream opens a stream that Close resets.
func (m *Mux) newStream(id peer.ID, prefix protocols.Prefix) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(m.ctx, "wob"), m.cfg.Limits.DialTimeout)
	defer cancel()
	start := time.Now()
	s, err := m.cfg.Host.NewStream(ctx, id, ProtocolID(m.cfg.Project, prefix))
	if err != nil && !errors.Is(err, swarm.ErrDialBackoff) && time.Since(start) < dialQuick {
		s, err = m.dialAgain(ctx, id, prefix)
	}
	if err != nil {
		return nil, err
	}
	context.AfterFunc(m.ctx, func() { _ = s.Reset() })
	return s, nil
}

// A dial that fails quickly is tried once more.
const (
	dialQuick = 2 * time.Second
	dialPause = 50 * time.Millisecond
)

// dialAgain makes up for two nodes that dialled each other in the same moment: TCP then joins both dials to one
// connection of two clients, and both fail. The one with the lower id waits less.
func (m *Mux) dialAgain(ctx context.Context, id peer.ID, prefix protocols.Prefix) (network.Stream, error) {
	pause := dialPause
	if m.cfg.Host.ID() > id {
		pause *= 5
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m.forgetBackoff(id)
	return m.cfg.Host.NewStream(ctx, id, ProtocolID(m.cfg.Project, prefix))
}

// writer sends a link's messages on one stream.
type writer struct {
	l       *link
	s       network.Stream
	buf     *bufio.Writer
	dead    chan struct{} // closed when the peer ended or reset the stream
	reason  error         // of that; read after dead
	pending []item        // in buf
	sent    int           // messages that left buf, and the handshake
	failed  error         // a write failed
}

func newWriter(l *link, s network.Stream) *writer {
	w := &writer{l: l, s: s, buf: bufio.NewWriterSize(pacedWriter{s, l.r.m.cfg.Limits.Progress}, 8<<10), dead: make(chan struct{})}
	if l.prefix == protocols.PrefixNode {
		w.sent = 1
	}
	go func() { // ends with the stream, which end resets
		defer close(w.dead)
		n, err := s.Read(make([]byte, 1))
		w.reason = unexpected(n, err)
	}()
	return w
}

// pump sends until the stream ends, and says why.
func (w *writer) pump() error {
	idle := time.NewTimer(w.l.r.m.cfg.Limits.Idle * 8 / 10) // before the peer gives up reading
	defer idle.Stop()
	for {
		select {
		case <-w.dead:
			return w.reason
		default:
		}
		it, ok := w.l.pop()
		if ok {
			if err := w.write(it); err != nil {
				return err
			}
			continue
		}
		if err := w.flush(); err != nil {
			return err
		}
		if stop, err := w.shouldStop(); stop {
			return err
		}
		idle.Reset(w.l.r.m.cfg.Limits.Idle * 8 / 10)
		select {
		case <-w.l.wake:
		case <-w.dead:
			return w.reason
		case <-idle.C:
			return w.finish(nil)
		case <-w.l.r.m.ctx.Done():
			return ErrClosed
		}
	}
}

// shouldStop looks at the flags, with nothing left in the buffer.
func (w *writer) shouldStop() (bool, error) {
	w.l.r.m.mu.Lock()
	closing, move := w.l.closing, w.l.move
	w.l.r.m.mu.Unlock()
	switch {
	case closing:
		return true, w.finish(nil)
	case move:
		return true, w.finish(errMoved)
	}
	return false, nil
}

// finish ends the stream in good order: the peer reads to the end and closes its side.
func (w *writer) finish(why error) error {
	_ = w.s.CloseWrite()
	select {
	case <-w.dead:
	case <-time.After(w.l.r.m.cfg.Limits.Drain):
	case <-w.l.r.m.ctx.Done():
	}
	return why
}

// write encodes a message into the buffer, or hands a large one on.
func (w *writer) write(it item) error {
	m, r := w.l.r.m, w.l.r
	m.mu.Lock()
	codec := r.codec
	m.mu.Unlock()
	p, err := protocols.Encode(m.envelope(r, w.s.Conn()), it.body, codec)
	if err != nil {
		m.report(SendFailed{To: r.node, Kind: it.kind, Err: err})
		return nil
	}
	if !p.OnLink() {
		m.sendLarge(r, w.l.prefix, it, p)
		w.sent++
		return nil
	}
	w.pending = append(w.pending, it)
	if _, err := w.buf.Write(p.Bytes); err != nil {
		w.failed = err
		return err
	}
	m.stats.sent[it.kind].add(len(p.Bytes))
	if len(w.pending) >= flushEvery {
		return w.flush()
	}
	return nil
}

func (w *writer) flush() error {
	if err := w.buf.Flush(); err != nil {
		w.failed = err
		return err
	}
	w.sent += len(w.pending)
	clear(w.pending)
	w.pending = w.pending[:0]
	return nil
}

// end releases the stream and reports what it did not take.
func (w *writer) end(err error) {
	_ = w.s.Reset()
	<-w.dead
	w.l.r.m.failNow(w.l.r.node, w.pending, orClosed(err))
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
