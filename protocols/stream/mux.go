// Package stream binds package protocols to libp2p (paper, section 3.2): a handler per prefix,
// framing, compression, limits and deadlines.
//
// Each side opens one long-lived stream per peer and prefix for what it sends, with a bounded queue and
// a writer behind it; frames of one prefix arrive in order. A frame of more than 1 MiB travels alone on a
// stream of its own and may overtake, or be overtaken by, those on the link. Before anything else, both sides say
// NODE_HELLO on a /node stream.
package stream

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Why a message was not sent.
var (
	ErrClosed    = errors.New("stream: closed")
	ErrQueueFull = errors.New("stream: the peer is too slow, its queue is full")
	ErrPeerID    = errors.New("stream: not a peer ID")
)

// Mux sends and receives the messages of one project over one libp2p host. Its methods may be called
// from any goroutine.
type Mux struct {
	cfg      Config
	stats    *counters
	instance uint64
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	notifiee *network.NotifyBundle

	mu     sync.Mutex // guards what follows, the remotes in it and their links
	closed bool
	tasks  sync.WaitGroup // added to under mu, while not closed
	peers  map[peer.ID]*remote
}

// ProtocolID returns the libp2p protocol of a project's prefix.
func ProtocolID(project string, prefix protocols.Prefix) protocol.ID {
	return protocol.ID("/wob/" + project + "/" + strings.ToLower(string(prefix)) + "/1.0.0")
}

// ProtocolIDs returns the libp2p protocols of a project, for the resource manager's limits.
func ProtocolIDs(project string) []protocol.ID {
	var ids []protocol.ID
	for _, prefix := range protocols.Prefixes() {
		ids = append(ids, ProtocolID(project, prefix))
	}
	return ids
}

// New starts to serve on cfg.Host. The caller closes the Mux before the host.
func New(cfg Config) (*Mux, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	m := &Mux{
		cfg: cfg, stats: newCounters(), peers: map[peer.ID]*remote{},
		instance: binary.LittleEndian.Uint64(seed[:]) | 1, // never the zero of a peer that has none
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.notifiee = &network.NotifyBundle{
		ConnectedF:    func(_ network.Network, c network.Conn) { m.task(func() { m.connected(c) }) },
		DisconnectedF: func(_ network.Network, c network.Conn) { m.task(func() { m.connectivity(c.RemotePeer()) }) },
	}
	cfg.Host.Network().Notify(m.notifiee)
	for _, prefix := range protocols.Prefixes() {
		cfg.Host.SetStreamHandler(ProtocolID(cfg.Project, prefix), m.handler(prefix))
	}
	return m, nil
}

// task runs f in a goroutine that Close waits for; it reports false when closed.
func (m *Mux) task(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.taskLocked(f)
}

func (m *Mux) taskLocked(f func()) bool {
	if m.closed {
		return false
	}
	m.tasks.Go(f)
	return true
}

// Send queues body for the node to, and never blocks. Given addresses are remembered and tried at once, even
// after failed dials. A full queue drops the link: all that was queued, and body, are reported
// by SendFailed.
func (m *Mux) Send(to wob.NodeID, addrs []string, body protocols.Body) {
	it := item{body: body, kind: body.Kind()}
	id, err := peer.Decode(string(to))
	if err != nil || to == m.cfg.Self {
		m.fail(to, []item{it}, ErrPeerID)
		return
	}
	it.size = weigh(valueOf(body))
	m.remember(id, addrs)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.remoteLocked(id).linkLocked(it.kind.Prefix()).pushLocked(it)
	}
}

// Connect makes the handshake with a peer, if it is not up yet; a failure is reported by SendFailed.
func (m *Mux) Connect(to wob.NodeID, addrs []string) {
	id, err := peer.Decode(string(to))
	if err != nil || to == m.cfg.Self {
		m.fail(to, []item{{kind: kindHello}}, ErrPeerID)
		return
	}
	m.remember(id, addrs)
	m.task(func() {
		if err := m.await(id); err != nil {
			m.report(SendFailed{To: to, Kind: kindHello, Err: err})
		}
	})
}

// Disconnect closes all connections to a peer, after a short time for what is queued. PeerDown
// follows if it was up.
func (m *Mux) Disconnect(to wob.NodeID) {
	id, err := peer.Decode(string(to))
	if err != nil {
		return
	}
	m.task(func() {
		m.drain(id)
		if err := m.cfg.Host.Network().ClosePeer(id); err != nil {
			m.cfg.Logger.Debug("Closing a connection failed", "node", to, "error", err)
		}
	})
}

// Peers returns the peers that are up, sorted.
func (m *Mux) Peers() []wob.NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	var up []wob.NodeID
	for _, r := range m.peers {
		if r.up {
			up = append(up, r.node)
		}
	}
	slices.Sort(up)
	return up
}

// Stats returns the totals since the start.
func (m *Mux) Stats() Stats { return m.stats.snapshot() }

// Close gives what is queued a short time, then ends all streams and goroutines. The host stays open.
// Nothing is handled after it.
func (m *Mux) Close() {
	m.mu.Lock()
	ids := make([]peer.ID, 0, len(m.peers))
	for id := range m.peers {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	var drained sync.WaitGroup
	for _, id := range ids {
		drained.Go(func() { m.drain(id) })
	}
	drained.Wait()
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	for _, id := range ProtocolIDs(m.cfg.Project) {
		m.cfg.Host.RemoveStreamHandler(id)
	}
	m.cfg.Host.Network().StopNotify(m.notifiee)
	m.cancel()
	m.tasks.Wait()
}

// remember keeps a peer's addresses and forgets failed dials, so that they are tried at once.
func (m *Mux) remember(id peer.ID, addrs []string) {
	var list []ma.Multiaddr
	for _, s := range addrs {
		if a, err := ma.NewMultiaddr(s); err == nil {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return
	}
	m.cfg.Host.Peerstore().AddAddrs(id, list, peerstore.PermanentAddrTTL)
	m.forgetBackoff(id)
}

// forgetBackoff lets the next dial be a real one, however many have failed.
func (m *Mux) forgetBackoff(id peer.ID) {
	if s, ok := m.cfg.Host.Network().(*swarm.Swarm); ok && m.cfg.Host.Network().Connectedness(id) == network.NotConnected {
		s.Backoff().Clear(id)
	}
}

// report hands in to the node, unless the Mux is closed.
func (m *Mux) report(in Incoming) {
	switch in.(type) {
	case SendFailed:
		m.stats.failed.Add(1)
	case Rejected:
		m.stats.rejected.Add(1)
	}
	if m.ctx.Err() == nil {
		m.cfg.Handle(in)
	}
}

// fail reports items that were not sent, from a goroutine of its own: the caller may be the node's
// loop, which takes the report.
func (m *Mux) fail(to wob.NodeID, items []item, err error) {
	m.task(func() { m.failNow(to, items, err) })
}

func (m *Mux) failNow(to wob.NodeID, items []item, err error) {
	for _, it := range items {
		m.report(SendFailed{To: to, Kind: it.kind, Err: err})
	}
}

// deadline returns the instant in d from now.
func deadline(d time.Duration) time.Time { return time.Now().Add(d) }
