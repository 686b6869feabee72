package stream

import (
	"errors"
	"reflect"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// maxInbound bounds the streams one peer may have open to us: four links, some of them twice while they
// move to a better connection, and large frames.
const maxInbound = 32

var errGone = errors.New("the connection is gone")

// remote is what a Mux knows about one peer. It exists while the peer is up or a stream to or from
// it is in use.
type remote struct {
	m    *Mux
	id   peer.ID
	node wob.NodeID

	events sync.Mutex // held while PeerUp or PeerDown is decided and reported; before m.mu

	// Guarded by m.mu.
	up      bool
	ready   chan struct{} // closed when up, after PeerUp was reported
	attempt *attempt      // a handshake that is wanted or under way
	hello   protocols.Hello
	relayed bool
	codec   protocols.Codec
	links   map[protocols.Prefix]*link
	large   int // bytes in frames on streams of their own
	serving int // inbound streams
}

// attempt is a handshake that others wait for.
type attempt struct {
	done chan struct{} // closed when it has ended
	err  error
}

func (m *Mux) remoteLocked(id peer.ID) *remote {
	r := m.peers[id]
	if r == nil {
		r = &remote{
			m: m, id: id, node: wob.NodeID(id.String()), ready: make(chan struct{}),
			links: map[protocols.Prefix]*link{},
		}
		m.peers[id] = r
	}
	return r
}

// forgetLocked drops a remote that nothing uses.
func (m *Mux) forgetLocked(r *remote) {
	if r.up || r.attempt != nil || r.serving > 0 || r.large > 0 || m.peers[r.id] != r {
		return
	}
	for _, l := range r.links {
		if l.running {
			return
		}
	}
	delete(m.peers, r.id)
}

// await returns when the peer is up, starting the handshake if nobody has.
func (m *Mux) await(id peer.ID) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	r := m.remoteLocked(id)
	if r.up {
		m.mu.Unlock()
		return nil
	}
	ready, a := r.ready, r.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		r.attempt = a
		r.linkLocked(protocols.PrefixNode).startLocked()
	}
	m.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-a.done:
		return a.err
	case <-m.ctx.Done():
		return ErrClosed
	}
}

// settleLocked ends the attempt, if there is one.
func (r *remote) settleLocked(err error) {
	if r.attempt != nil {
		r.attempt.err = err
		close(r.attempt.done)
		r.attempt = nil
	}
}

// established takes the peer's Hello, which came over conn, and reports what it changes.
func (m *Mux) established(r *remote, conn network.Conn, hello protocols.Hello) error {
	r.events.Lock()
	defer r.events.Unlock()
	if conn.IsClosed() {
		return errGone
	}
	relayed := m.relayedOnly(r.id)
	m.mu.Lock()
	restarted := r.up && r.hello.Instance != hello.Instance
	changed := !r.up || r.relayed != relayed || !reflect.DeepEqual(r.hello, hello)
	m.mu.Unlock()
	if restarted {
		m.report(PeerDown{Peer: r.node})
		m.closeOlder(conn)
	}
	if changed {
		m.report(PeerUp{Peer: r.node, Hello: hello, Relayed: relayed})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.hello, r.relayed, r.codec = hello, relayed, protocols.Agree(hello.Codecs)
	if !r.up {
		r.up = true
		close(r.ready)
	}
	r.settleLocked(nil)
	return nil
}

// closeOlder closes connections to an instance of a node that has restarted meanwhile. They seem
// alive until their keep-alive fails, and frames sent on them would be lost.
func (m *Mux) closeOlder(conn network.Conn) {
	for _, c := range m.cfg.Host.Network().ConnsToPeer(conn.RemotePeer()) {
		if c.Stat().Opened.Before(conn.Stat().Opened) {
			if err := c.Close(); err != nil {
				m.cfg.Logger.Debug("Closing an old connection failed", "node", c.RemotePeer(), "error", err)
			}
		}
	}
}

// connected moves links from a circuit to a direct connection: streams stay where they were opened.
func (m *Mux) connected(c network.Conn) {
	if !isCircuit(c) {
		m.mu.Lock()
		if r := m.peers[c.RemotePeer()]; r != nil {
			for _, l := range r.links {
				if l.s != nil && isCircuit(l.s.Conn()) {
					l.move = true
					l.wakeLocked()
				}
			}
		}
		m.mu.Unlock()
	}
	m.connectivity(c.RemotePeer())
}

// connectivity reports a peer of which no connection is left, or that is now reached through a
// relay, or no longer.
func (m *Mux) connectivity(id peer.ID) {
	m.mu.Lock()
	r := m.peers[id]
	m.mu.Unlock()
	if r == nil {
		return
	}
	r.events.Lock()
	defer r.events.Unlock()
	gone := m.cfg.Host.Network().Connectedness(id) == network.NotConnected
	relayed := m.relayedOnly(id)
	m.mu.Lock()
	was, changed, hello := r.up, r.relayed != relayed, r.hello
	switch {
	case gone && was:
		r.up = false
		r.ready = make(chan struct{})
	case !gone:
		r.relayed = relayed
	}
	m.forgetLocked(r)
	m.mu.Unlock()
	switch {
	case !was:
	case gone:
		m.report(PeerDown{Peer: r.node})
	case changed:
		m.report(PeerUp{Peer: r.node, Hello: hello, Relayed: relayed})
	}
}

// relayedOnly reports whether circuits are the only connections to a peer.
func (m *Mux) relayedOnly(id peer.ID) bool {
	for _, c := range m.cfg.Host.Network().ConnsToPeer(id) {
		if !isCircuit(c) {
			return false
		}
	}
	return true
}

// isCircuit reports whether c goes through a relay.
func isCircuit(c network.Conn) bool {
	if c.Stat().Limited {
		return true
	}
	a := c.RemoteMultiaddr()
	if a == nil {
		return false
	}
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}
