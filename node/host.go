package node

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// DefaultListen are the addresses a node listens on without a setting: any port, TCP
// and QUIC.
var DefaultListen = []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"}

// ErrListen is wrapped when none of the listen addresses can be used.
var ErrListen = errors.New("cannot listen")

// newHost starts a project's libp2p host. One host per project keeps projects apart:
// own identity, limits and port.
func newHost(key crypto.PrivKey, listen []string, capacity int, agent string) (host.Host, error) {
	limits, err := limits(capacity)
	if err != nil {
		return nil, fmt.Errorf("resource limits: %w", err)
	}
	conns, err := connmgr.NewConnManager(capacity+capacity/4+64, 2*capacity+128, connmgr.WithGracePeriod(time.Minute))
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	h, err := libp2p.New(
		libp2p.Identity(key),
		libp2p.UserAgent(agent),
		libp2p.NoListenAddrs, // see listenOn: a host that fails to start leaves goroutines behind
		libp2p.EnableRelay(),
		libp2p.WithDialTimeout(10*time.Second),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Muxer(yamux.ID, patientYamux()),
		libp2p.ForceReachabilityPublic(), // on a private network AutoNAT never says so
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
	)
	if err != nil {
		conns.Close()
		limits.Close()
		return nil, fmt.Errorf("libp2p host: %w", err)
	}
	if err := listenOn(h, listen); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// listenOn makes the host listen. Who names a port counts on it, so each of those must
// work; of the others, one is enough: a machine may have no UDP, say.
func listenOn(h host.Host, listen []string) error {
	var failed []string
	named := false
	for _, a := range listen {
		addr, err := ma.NewMultiaddr(a)
		if err == nil {
			err = unshared(addr)
		}
		if err == nil {
			err = h.Network().Listen(addr)
		}
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", a, err))
			named = named || !strings.Contains(a+"/", "/tcp/0/") && !strings.Contains(a+"/", "/udp/0/")
		}
	}
	if named || len(failed) == len(listen) {
		return fmt.Errorf("%w on %s; choose another address with --listen (--p2p for a gateway)", ErrListen, strings.Join(failed, "; "))
	}
	return nil
}

// unshared refuses a TCP port on which another process listens. libp2p shares its ports,
// so that dials leave from them, and would share this one with a second node: each of the
// two would then be dialled under the other's name.
func unshared(addr ma.Multiaddr) error {
	if p := addr.Protocols(); len(p) != 2 || p[1].Code != ma.P_TCP {
		return nil
	}
	l, err := manet.Listen(addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// patientYamux notices a silent peer within 25 s instead of 40 s; smaller values cut off
// volunteers whose processor is busy.
func patientYamux() *yamux.Transport {
	t := *yamux.DefaultTransport // a copy: the default is shared
	t.KeepAliveInterval = 10 * time.Second
	t.ConnectionWriteTimeout = 15 * time.Second
	return &t
}

// limits gives room for capacity lasting connections and as many temporary ones, also
// when many nodes sit behind one address: libp2p's default admits 8.
func limits(capacity int) (network.ResourceManager, error) {
	d := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&d)
	conns, streams := rcmgr.LimitVal(2*capacity+256), rcmgr.LimitVal(32*capacity+4096)
	limit := func(c, s rcmgr.LimitVal) rcmgr.ResourceLimits {
		return rcmgr.ResourceLimits{Conns: c, ConnsInbound: c, ConnsOutbound: c, Streams: s, StreamsInbound: s, StreamsOutbound: s}
	}
	part := rcmgr.PartialLimitConfig{
		System:    limit(conns, streams),
		Transient: limit(conns/2, streams/4),
		PeerDefault: rcmgr.ResourceLimits{
			Conns: 8, ConnsInbound: 8, ConnsOutbound: 8,
			Streams: 256, StreamsInbound: 128, StreamsOutbound: 128, Memory: 64 << 20,
		},
		ProtocolDefault: rcmgr.ResourceLimits{Streams: streams, StreamsInbound: streams, StreamsOutbound: streams},
	}
	perAddress := capacity + 64
	loopback := []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}}
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(part.Build(d.AutoScale())),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: perAddress}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: perAddress}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: loopback,
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: rate.Limit{RPS: 20, Burst: 2 * perAddress}}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: rate.Limit{RPS: 20, Burst: 2 * perAddress}}},
				GracePeriod:      time.Minute,
			},
		}))
}

// loadKey reads the node's identity in a project, or makes it the first time.
func loadKey(dir string) (crypto.PrivKey, error) {
	file := filepath.Join(dir, "identity.key")
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return newKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("identity %s is damaged: %w; remove the file to get a new identity", file, err)
	}
	return key, nil
}

func newKey(file string) (crypto.PrivKey, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := writeFile(file, raw, 0o600); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return key, nil
}

// reachable returns a host's addresses as text, loopback ones only if there are no others.
func reachable(h host.Host) []string {
	var outer, loop []string
	for _, a := range h.Addrs() {
		if isLoopback(a) {
			loop = append(loop, a.String())
		} else {
			outer = append(outer, a.String())
		}
	}
	if len(outer) > 0 {
		return outer
	}
	return loop
}

func isLoopback(a ma.Multiaddr) bool {
	v, err := a.ValueForProtocol(ma.P_IP4)
	if err != nil {
		v, err = a.ValueForProtocol(ma.P_IP6)
	}
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(v)
	return err == nil && ip.IsLoopback()
}
