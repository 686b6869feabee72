package stream

import (
	"errors"
	"fmt"
	"io"

	"github.com/wobcompute/wobcompute/protocols"
)

// sendLarge sends a frame on a stream of its own and waits for the peer to have read it. The stream's
// first frame is its only one; by its size the peer knows it.
func (m *Mux) sendLarge(r *remote, prefix protocols.Prefix, it item, p protocols.Packed) {
	size := len(p.Bytes)
	m.mu.Lock()
	fits := r.large == 0 || r.large+size <= m.cfg.Limits.LargeBytes
	if fits {
		r.large += size
		fits = m.taskLocked(func() {
			err := m.writeLarge(r, prefix, p)
			m.mu.Lock()
			r.large -= size
			m.forgetLocked(r)
			m.mu.Unlock()
			if err != nil {
				m.report(SendFailed{To: r.node, Kind: it.kind, Err: err})
				return
			}
			m.stats.sent[it.kind].add(size)
		})
	}
	m.mu.Unlock()
	if !fits {
		m.report(SendFailed{To: r.node, Kind: it.kind, Err: ErrQueueFull})
	}
}

func (m *Mux) writeLarge(r *remote, prefix protocols.Prefix, p protocols.Packed) error {
	s, err := m.newStream(r.id, prefix)
	if err != nil {
		return err
	}
	defer func() { _ = s.Reset() }() // harmless after a good end
	if _, err := (pacedWriter{s, m.cfg.Limits.Progress}).Write(p.Bytes); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	// What the muxers still hold moves at the least speed of all; then the peer's node takes it.
	wait := m.cfg.Limits.HelloWait + m.cfg.Limits.Progress*4
	if err := s.SetReadDeadline(deadline(wait)); err != nil {
		return err
	}
	n, err := s.Read(make([]byte, 1))
	if n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("a large frame was not taken: %w", unexpected(n, err))
	}
	return nil
}
