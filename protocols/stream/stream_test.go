package stream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tcpAddr  = "/ip4/127.0.0.1/tcp/0"
	quicAddr = "/ip4/127.0.0.1/udp/0/quic-v1"
	patience = 10 * time.Second
)

// newHost makes a real host on loopback, without limits.
func newHost(t testing.TB, addr string, more ...libp2p.Option) host.Host {
	t.Helper()
	return newLimitedHost(t, addr, append(more, libp2p.ResourceManager(&network.NullResourceManager{}))...)
}

// newLimitedHost has libp2p's limits, or those given.
func newLimitedHost(t testing.TB, addr string, more ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(append([]libp2p.Option{
		libp2p.ListenAddrStrings(addr), libp2p.ConnectionManager(connmgr.NullConnMgr{}), libp2p.DisableMetrics(), libp2p.DisableRelay(),
		libp2p.Ping(false), libp2p.DisableIdentifyAddressDiscovery(),
	}, more...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// node is a Mux with a mailbox.
type node struct {
	*Mux
	t     testing.TB
	h     host.Host
	id    wob.NodeID
	addrs []string

	mu   sync.Mutex
	got  []Incoming
	news *sync.Cond
	hold chan struct{} // not nil: Handle blocks on it
}

func newNode(t testing.TB, h host.Host, project string, limits Limits) *node {
	t.Helper()
	n := &node{t: t, h: h, id: wob.NodeID(h.ID().String())}
	n.news = sync.NewCond(&n.mu)
	for _, a := range h.Addrs() {
		n.addrs = append(n.addrs, a.String())
	}
	m, err := New(Config{
		Host: h, Project: project, Limits: limits, Handle: n.handle,
		Hello: func() protocols.Hello {
			n.mu.Lock()
			defer n.mu.Unlock()
			return protocols.Hello{Agent: "test", Capacity: 100, Public: true, Addrs: n.addrs}
		},
	})
	require.NoError(t, err)
	n.Mux = m
	t.Cleanup(func() { n.release(); m.Close() })
	return n
}

func pair(t testing.TB, addr string) (a, b *node) {
	t.Helper()
	return newNode(t, newHost(t, addr), "p", Limits{}), newNode(t, newHost(t, addr), "p", Limits{})
}

func (n *node) handle(in Incoming) {
	n.mu.Lock()
	hold := n.hold
	n.mu.Unlock()
	if hold != nil {
		<-hold
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, in)
	n.news.Broadcast()
}

func (n *node) block() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hold = make(chan struct{})
}

func (n *node) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hold != nil {
		close(n.hold)
		n.hold = nil
	}
}

// of returns what came of one type.
func of[T Incoming](n *node) []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []T
	for _, in := range n.got {
		if v, ok := in.(T); ok {
			out = append(out, v)
		}
	}
	return out
}

// waitFor waits until count of one type came, and returns them.
func waitFor[T Incoming](n *node, count int) []T {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { n.mu.Lock(); defer n.mu.Unlock(); n.news.Broadcast() })
	defer stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var out []T
		for _, in := range n.got {
			if v, ok := in.(T); ok {
				out = append(out, v)
			}
		}
		if len(out) >= count {
			return out
		}
		if ctx.Err() != nil {
			require.FailNow(n.t, "nothing came", "%d of %d %T in %.2000s", len(out), count, *new(T), fmt.Sprintf("%+v", n.got))
		}
		n.news.Wait()
	}
}

func both(t *testing.T, f func(t *testing.T, addr string)) {
	for name, addr := range map[string]string{"tcp": tcpAddr, "quic": quicAddr} {
		t.Run(name, func(t *testing.T) { f(t, addr) })
	}
}

func uuidOf(i int) wob.ID { return wob.ID(fmt.Sprintf("00000000-0000-4000-8000-%012x", i)) }

func bigWOB(size int) *wob.WOB {
	return &wob.WOB{
		ID: uuidOf(1), App: "a", State: wob.Suspended, Boundary: "[1]",
		Checkpoint: wob.Raw(`"` + strings.Repeat("x", size) + `"`),
	}
}

func TestHelloBothWays(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		a, b := pair(t, addr)
		a.Send(b.id, b.addrs, protocols.Notify{WOB: uuidOf(1)})
		got := waitFor[Received](b, 1)[0]
		require.Equal(t, protocols.Message{From: a.id, To: b.id, Body: protocols.Notify{WOB: uuidOf(1)}}, got.Msg)
		up := waitFor[PeerUp](a, 1)[0]
		require.Equal(t, b.id, up.Peer)
		require.Equal(t, b.addrs, up.Hello.Addrs)
		require.Equal(t, "p", up.Hello.Project)
		require.False(t, up.Relayed)
		require.Equal(t, a.id, waitFor[PeerUp](b, 1)[0].Peer)

		b.Send(a.id, nil, protocols.Resend{MemberSeq: 7}) // over the connection that a made
		require.Equal(t, protocols.Resend{MemberSeq: 7}, waitFor[Received](a, 1)[0].Msg.Body)
		b.Send(a.id, nil, protocols.Leave{MemberSeq: 8}) // opens b's own /node stream: a second hello
		waitFor[Received](a, 2)
		require.Len(t, of[PeerUp](a), 1)
		require.Len(t, of[PeerUp](b), 1)
		require.Equal(t, []wob.NodeID{b.id}, a.Peers())
		require.Equal(t, uint64(1), a.Stats().Sent["CL_NOTIFY"].Messages)
		require.Equal(t, uint64(1), b.Stats().Received["CL_NOTIFY"].Messages)
	})
}

func TestBothConnectAtOnce(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		a, b := pair(t, addr)
		var wg sync.WaitGroup
		wg.Go(func() { a.Connect(b.id, b.addrs) })
		wg.Go(func() { b.Send(a.id, a.addrs, protocols.Leave{}) })
		wg.Wait()
		waitFor[Received](a, 1)
		waitFor[PeerUp](a, 1)
		waitFor[PeerUp](b, 1)
		a.Send(b.id, nil, protocols.Leave{})
		waitFor[Received](b, 1)
		require.Len(t, of[PeerUp](a), 1)
		require.Len(t, of[PeerUp](b), 1)
		require.Empty(t, of[SendFailed](a))
	})
}

func TestBurstKeepsOrderAndLosesNothing(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		const count = 5000
		a, b := pair(t, addr)
		for i := range count {
			a.Send(b.id, b.addrs, protocols.Resend{MemberSeq: uint64(i)})
		}
		got := waitFor[Received](b, count)
		for i := range count {
			require.Equal(t, protocols.Resend{MemberSeq: uint64(i)}, got[i].Msg.Body)
		}
		require.Empty(t, of[SendFailed](a))
	})
}

func TestLargeFrame(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		a, b := pair(t, addr)
		w := bigWOB(wob.MaxEncoded - 1000)
		a.Send(b.id, b.addrs, protocols.Transfer{WOB: w})
		a.Send(b.id, nil, protocols.OfferAck{Request: "r", Offer: "o"})
		got := waitFor[Received](b, 2)
		for _, in := range got {
			if m, ok := in.Msg.Body.(protocols.Transfer); ok {
				require.Equal(t, w, m.WOB)
			}
		}
		a.Send(b.id, nil, protocols.Transfer{WOB: bigWOB(wob.MaxEncoded)})
		require.ErrorIs(t, waitFor[SendFailed](a, 1)[0].Err, wob.ErrTooLarge)
	})
}

func TestSlowReaderLosesItsLink(t *testing.T) {
	a := newNode(t, newHost(t, tcpAddr), "p", Limits{QueueFrames: 100, Progress: time.Second})
	b := newNode(t, newHost(t, tcpAddr), "p", Limits{})
	a.Connect(b.id, b.addrs)
	waitFor[PeerUp](a, 1)
	waitFor[PeerUp](b, 1)
	b.block()
	body := protocols.AppMsg{From: uuidOf(1), To: uuidOf(2), Data: bigWOB(20 << 10).Checkpoint}
	start := time.Now()
	for len(of[SendFailed](a)) == 0 {
		for range 100 {
			a.Send(b.id, nil, body)
		}
		require.Less(t, time.Since(start), patience)
	}
	for _, f := range of[SendFailed](a) {
		require.Equal(t, protocols.Kind("APP_MSG"), f.Kind)
	}
	a.Send(b.id, nil, protocols.Resend{MemberSeq: 1}) // other prefixes have links of their own
	require.Empty(t, of[PeerDown](a))
	b.release()
	require.Eventually(t, func() bool {
		for _, in := range of[Received](b) {
			if in.Msg.Body == (protocols.Resend{MemberSeq: 1}) {
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
}

func TestAnotherProjectIsRefused(t *testing.T) {
	a := newNode(t, newHost(t, tcpAddr), "p", Limits{})
	b := newNode(t, newHost(t, tcpAddr), "q", Limits{})
	a.Send(b.id, b.addrs, protocols.Resend{})
	failed := waitFor[SendFailed](a, 1)[0]
	require.Equal(t, SendFailed{To: b.id, Kind: "CL_RESEND", Err: failed.Err}, failed)
	a.Connect(b.id, nil)
	require.Equal(t, protocols.Kind("NODE_HELLO"), waitFor[SendFailed](a, 2)[1].Kind)
	require.Empty(t, of[PeerUp](b))
	require.Equal(t, uint64(2), a.Stats().Failed)
}

func TestDownAndUpAgain(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		a, b := pair(t, addr)
		a.Connect(b.id, b.addrs)
		waitFor[PeerUp](a, 1)
		waitFor[PeerUp](b, 1)
		start := time.Now()
		b.Close()
		require.NoError(t, b.h.Close())
		require.Equal(t, b.id, waitFor[PeerDown](a, 1)[0].Peer)
		require.Less(t, time.Since(start), 3*time.Second)
		require.Empty(t, a.Peers())

		a.Connect(b.id, nil) // fails, and is backed off from
		waitFor[SendFailed](a, 1)
		key := b.h.Peerstore().PrivKey(b.h.ID())
		again := newNode(t, newHost(t, addr, libp2p.Identity(key)), "p", Limits{})
		require.Equal(t, b.id, again.id)
		a.Send(b.id, again.addrs, protocols.Leave{})
		waitFor[Received](again, 1)
		require.Len(t, waitFor[PeerUp](a, 2), 2)
	})
}

func TestDisconnectSendsWhatIsQueued(t *testing.T) {
	both(t, func(t *testing.T, addr string) {
		a, b := pair(t, addr)
		a.Connect(b.id, b.addrs)
		waitFor[PeerUp](b, 1)
		waitFor[PeerUp](a, 1)
		a.Send(b.id, nil, protocols.Leave{Reason: "bye"})
		a.Disconnect(b.id)
		waitFor[PeerDown](a, 1)
		waitFor[PeerDown](b, 1)
		require.Equal(t, protocols.Leave{Reason: "bye"}, waitFor[Received](b, 1)[0].Msg.Body)
		b.Send(a.id, a.addrs, protocols.Leave{}) // and again at once
		waitFor[Received](a, 1)
		require.Len(t, waitFor[PeerUp](a, 2), 2)
	})
}

func TestIdleLinksCloseAndReopen(t *testing.T) {
	limits := Limits{Idle: 50 * time.Millisecond}
	a, b := newNode(t, newHost(t, tcpAddr), "p", limits), newNode(t, newHost(t, tcpAddr), "p", limits)
	for round := 1; round <= 3; round++ {
		a.Send(b.id, b.addrs, protocols.Resend{})
		waitFor[Received](b, round)
		require.Eventually(t, func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.Mux.mu.Lock()
			defer a.Mux.mu.Unlock()
			for _, l := range a.peers[b.h.ID()].links {
				if l.running {
					return false
				}
			}
			return true
		}, patience, time.Millisecond)
	}
	require.Len(t, of[PeerUp](a), 1)
	require.Empty(t, of[PeerDown](a))
	require.Empty(t, of[SendFailed](a))
	require.Empty(t, of[Rejected](b))
}

func TestLargeFrameWithoutMemoryIsRefused(t *testing.T) {
	limits := rcmgr.PartialLimitConfig{Stream: rcmgr.ResourceLimits{Memory: 2 << 20}}
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Build(rcmgr.DefaultLimits.AutoScale())))
	require.NoError(t, err)
	a := newNode(t, newHost(t, tcpAddr), "p", Limits{})
	b := newNode(t, newLimitedHost(t, tcpAddr, libp2p.ResourceManager(manager)), "p", Limits{})
	a.Send(b.id, b.addrs, protocols.Transfer{WOB: bigWOB(1 << 20)})
	waitFor[Received](b, 1)
	for _, size := range []int{4 << 20, 7 << 20} { // few bytes on the wire: it counts what they inflate to
		a.Send(b.id, nil, protocols.Transfer{WOB: bigWOB(size)})
	}
	for _, f := range waitFor[SendFailed](a, 2) {
		require.ErrorIs(t, f.Err, network.ErrReset)
	}
	a.Send(b.id, nil, protocols.OfferAck{Request: "r", Offer: "o"})
	waitFor[Received](b, 2)
}

func TestAnnounceSpreadsAChangedHello(t *testing.T) {
	a, b := pair(t, tcpAddr)
	c := newNode(t, newHost(t, tcpAddr), "p", Limits{})
	a.Connect(b.id, b.addrs) // a has a /node link to b
	c.Connect(a.id, a.addrs) // and none to c
	waitFor[PeerUp](a, 2)
	waitFor[PeerUp](b, 1)
	waitFor[PeerUp](c, 1)
	a.mu.Lock()
	a.addrs = append(a.addrs, "/ip4/192.0.2.1/tcp/1")
	a.mu.Unlock()
	a.Announce()
	for _, n := range []*node{b, c} {
		require.Equal(t, a.addrs, waitFor[PeerUp](n, 2)[1].Hello.Addrs)
		require.Empty(t, of[PeerDown](n))
	}
	require.Len(t, of[PeerUp](a), 2)
}

func TestBadAddressees(t *testing.T) {
	a := newNode(t, newHost(t, tcpAddr), "p", Limits{})
	a.Send("nobody", nil, protocols.Leave{})
	a.Send(a.id, nil, protocols.Leave{})
	a.Connect("nobody", nil)
	a.Disconnect("nobody")
	for _, f := range waitFor[SendFailed](a, 3) {
		require.ErrorIs(t, f.Err, ErrPeerID)
	}
	_, err := New(Config{})
	require.Error(t, err)
}
