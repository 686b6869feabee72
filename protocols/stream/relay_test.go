package stream

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
)

// newRelayedHost makes a host that can use relays.
func newRelayedHost(t *testing.T) host.Host {
	t.Helper()
	h, err := libp2p.New(
		libp2p.ListenAddrStrings(tcpAddr), libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}), libp2p.DisableMetrics(), libp2p.EnableRelay())
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestCircuitThenDirect(t *testing.T) {
	for name, opts := range map[string][]relay.Option{
		"limited": nil, "unlimited": {relay.WithInfiniteLimits()},
	} {
		t.Run(name, func(t *testing.T) {
			middle := newRelayedHost(t)
			service, err := relay.New(middle, opts...)
			require.NoError(t, err)
			t.Cleanup(func() { _ = service.Close() })
			a, b := newNode(t, newRelayedHost(t), "p", Limits{}), newNode(t, newRelayedHost(t), "p", Limits{})
			info := peer.AddrInfo{ID: middle.ID(), Addrs: middle.Addrs()}
			require.NoError(t, b.h.Connect(context.Background(), info))
			_, err = client.Reserve(context.Background(), b.h, info)
			require.NoError(t, err)

			circuit := middle.Addrs()[0].String() + "/p2p/" + middle.ID().String() + "/p2p-circuit"
			a.Send(b.id, []string{circuit}, protocols.Notify{WOB: uuidOf(1)})
			require.True(t, waitFor[Received](b, 1)[0].Msg.Relayed)
			require.True(t, waitFor[PeerUp](a, 1)[0].Relayed)
			b.Send(a.id, nil, protocols.Leave{})
			waitFor[Received](a, 1)

			ctx := network.WithForceDirectDial(context.Background(), "test")
			require.NoError(t, a.h.Connect(ctx, peer.AddrInfo{ID: b.h.ID(), Addrs: b.h.Addrs()}))
			require.False(t, waitFor[PeerUp](a, 2)[1].Relayed)
			require.False(t, waitFor[PeerUp](b, 2)[1].Relayed)
			require.Eventually(t, func() bool {
				a.Send(b.id, nil, protocols.Notify{WOB: uuidOf(2)})
				got := of[Received](b)
				return !got[len(got)-1].Msg.Relayed
			}, patience, 10*time.Millisecond)
			require.Empty(t, of[PeerDown](a))
			require.Empty(t, of[SendFailed](a))
		})
	}
}
