package stream

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/wobcompute/wobcompute/protocols"
)

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
