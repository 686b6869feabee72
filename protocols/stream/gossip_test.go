package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// mailbox takes what comes in.
type mailbox struct {
	mu  sync.Mutex
	all []Incoming
}

func (m *mailbox) handle(in Incoming) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, in)
}

func (m *mailbox) since(n int) []Incoming {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[n:]
}

func connectAll(t *testing.T, hosts ...host.Host) {
	t.Helper()
	for i, a := range hosts {
		for _, b := range hosts[:i] {
			require.NoError(t, a.Connect(context.Background(), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}))
		}
	}
}

func TestGossipReachesAllOnce(t *testing.T) {
	const n, count = 4, 300
	hosts, boxes, all := make([]host.Host, n), make([]*mailbox, n), make([]*Gossip, n)
	for i := range n {
		hosts[i], boxes[i] = newHost(t, tcpAddr), new(mailbox)
		g, err := NewGossip(context.Background(), GossipConfig{Host: hosts[i], Project: "p", Handle: boxes[i].handle})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		require.NoError(t, g.Join("c"))
		require.NoError(t, g.Join("c"), "again changes nothing")
		all[i] = g
	}
	connectAll(t, hosts...)
	for i := range n {
		require.Eventually(t, func() bool { return len(all[i].ps.ListPeers(Topic("p", "c"))) == n-1 }, patience, time.Millisecond)
	}
	for seq := range uint64(count) {
		require.NoError(t, all[0].Publish("c", protocols.Index{Cluster: "c", Origin: all[0].self, Seq: seq}))
	}
	for i := 1; i < n; i++ {
		require.Eventually(t, func() bool { return len(boxes[i].since(0)) == count }, patience, time.Millisecond)
		seen := map[uint64]bool{}
		for _, in := range boxes[i].since(0) {
			msg := in.(Received).Msg
			require.Equal(t, all[0].self, msg.From)
			seen[msg.Body.(protocols.Index).Seq] = true
		}
		require.Len(t, seen, count)
	}
	require.Empty(t, boxes[0].since(0), "one's own gossip is no news")

	require.NoError(t, all[1].Leave("c"))
	require.NoError(t, all[1].Leave("c"))
	require.ErrorIs(t, all[1].Publish("c", protocols.Index{Cluster: "c"}), ErrClosed)
	require.NoError(t, all[1].Join("c"), "and come back")
	all[1].Close()
	require.ErrorIs(t, all[1].Join("c"), ErrClosed)
}

func TestForgedGossipIsRejected(t *testing.T) {
	good, bad, box := newHost(t, tcpAddr), newHost(t, tcpAddr), new(mailbox)
	g, err := NewGossip(context.Background(), GossipConfig{Host: good, Project: "p", Handle: box.handle})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	require.NoError(t, g.Join("c"))
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ps, err := pubsub.NewGossipSub(ctx, bad)
	require.NoError(t, err)
	topic, err := ps.Join(Topic("p", "c"))
	require.NoError(t, err)
	connectAll(t, good, bad)
	require.Eventually(t, func() bool { return len(topic.ListPeers()) == 1 }, patience, time.Millisecond)

	frame := func(project string, sender wob.NodeID, body protocols.Body) []byte {
		p, err := protocols.Encode(protocols.Envelope{ApplicationID: project, MessageID: string(uuidOf(1)), SenderID: sender}, body, protocols.CodecNone)
		require.NoError(t, err)
		_, payload := cutLength(p.Bytes)
		return payload
	}
	self := wob.NodeID(bad.ID().String())
	index := protocols.Index{Cluster: "c", Origin: self}
	for i, data := range [][]byte{
		[]byte("junk"), frame("p", g.self, index), frame("q", self, index), frame("p", self, protocols.Resend{}),
	} {
		require.NoError(t, topic.Publish(ctx, data))
		require.Eventually(t, func() bool { return len(box.since(i)) == 1 }, patience, time.Millisecond, fmt.Sprint(i))
		require.Equal(t, self, box.since(i)[0].(Rejected).From)
	}
	require.NoError(t, topic.Publish(ctx, frame("p", self, index)))
	require.Eventually(t, func() bool { return len(box.since(4)) == 1 }, patience, time.Millisecond)
	require.Equal(t, index, box.since(4)[0].(Received).Msg.Body)
}
