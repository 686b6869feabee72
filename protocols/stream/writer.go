package stream

import (
	"bufio"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/wobcompute/wobcompute/protocols"
)

var (
	errEnded = errors.New("the peer ended the stream")
	errMoved = errors.New("the link moves to a better connection")
)

// flushEvery bounds how many messages wait in the write buffer, and are reported as failed together.
const flushEvery = 128

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
	paced := pacedWriter{s, l.r.m.cfg.Limits.Progress}
	w := &writer{l: l, s: s, buf: bufio.NewWriterSize(paced, 8<<10), dead: make(chan struct{})}
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

// unexpected turns the first read of a link, on which nothing may come back, into the reason of its
// end.
func unexpected(n int, err error) error {
	switch {
	case n > 0:
		return errors.New("the peer answered on a link of ours")
	case errors.Is(err, io.EOF):
		return errEnded
	}
	return err
}
