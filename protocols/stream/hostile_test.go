package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/zlib"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// stranger is a host without a Mux: its test writes what it likes.
type stranger struct {
	t testing.TB
	h host.Host
	n *node // its victim
}

func newStranger(t testing.TB, limits Limits) *stranger {
	t.Helper()
	s := &stranger{t: t, h: newHost(t, tcpAddr), n: newNode(t, newHost(t, tcpAddr), "p", limits)}
	s.connect()
	return s
}

func (s *stranger) connect() {
	s.t.Helper()
	require.NoError(s.t, s.h.Connect(context.Background(), peer.AddrInfo{ID: s.n.h.ID(), Addrs: s.n.h.Addrs()}))
}

func (s *stranger) open(prefix protocols.Prefix) network.Stream {
	s.t.Helper()
	st, err := s.h.NewStream(context.Background(), s.n.h.ID(), ProtocolID("p", prefix))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = st.Reset() })
	return st
}

func (s *stranger) envelope() protocols.Envelope {
	return protocols.Envelope{
		ApplicationID: "p", MessageID: string(uuidOf(9)), SenderID: wob.NodeID(s.h.ID().String()), DestID: s.n.id,
	}
}

func (s *stranger) frame(change func(*protocols.Envelope), body protocols.Body) []byte {
	s.t.Helper()
	e := s.envelope()
	if change != nil {
		change(&e)
	}
	p, err := protocols.Encode(e, body, protocols.CodecNone)
	require.NoError(s.t, err)
	return p.Bytes
}

func hello() protocols.Hello {
	return protocols.Hello{Version: Version, Project: "p", Codecs: protocols.Codecs()}
}

// greet makes the handshake by hand.
func (s *stranger) greet() network.Stream {
	s.t.Helper()
	st := s.open(protocols.PrefixNode)
	_, err := st.Write(s.frame(nil, hello()))
	require.NoError(s.t, err)
	waitFor[PeerUp](s.n, 1)
	payload, _, err := newFrameReader(st, patience).next(patience, maxHello)
	require.NoError(s.t, err)
	_, body, err := protocols.Decode(payload, maxHello)
	require.NoError(s.t, err)
	require.Equal(s.t, "p", body.(protocols.Hello).Project)
	return st
}

// isReset waits for the end of a stream and demands that it was no good one.
func isReset(t testing.TB, st network.Stream) {
	t.Helper()
	require.NoError(t, st.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, st)
	require.ErrorIs(t, err, network.ErrReset)
}

// bomb inflates to 20 MiB, and says so or less.
func bomb(t testing.TB, good []byte, claim int) []byte {
	t.Helper()
	_, used := binary.Uvarint(good)
	head := good[used:]
	n, length := binary.Uvarint(head[1:])
	payload := append([]byte{byte(protocols.CodecZlib)}, head[1:1+length+int(n)]...)
	payload = binary.AppendUvarint(payload, uint64(claim))
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, err := w.Write(make([]byte, 20<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	payload = append(payload, z.Bytes()...)
	return append(binary.AppendUvarint(nil, uint64(len(payload))), payload...)
}

func TestBreachesAreReportedAndReset(t *testing.T) {
	s := newStranger(t, Limits{HelloWait: 200 * time.Millisecond})
	s.greet()
	resend := protocols.Resend{MemberSeq: 1}
	good := s.frame(nil, resend)
	for name, c := range map[string]struct {
		prefix protocols.Prefix
		frame  []byte
		kind   protocols.Kind
	}{
		"garbage":           {protocols.PrefixCL, []byte("\x20GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"), ""},
		"garbage on node":   {protocols.PrefixNode, []byte("\x20GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"), ""},
		"oversize":          {protocols.PrefixWOB, binary.AppendUvarint(nil, 1<<40), ""},
		"oversize later":    {protocols.PrefixCL, binary.AppendUvarint(bytes.Clone(good), 2<<20), ""},
		"endless length":    {protocols.PrefixWOB, bytes.Repeat([]byte{0xff}, 20), ""},
		"bomb":              {protocols.PrefixCL, bomb(t, good, 20<<20), "CL_RESEND"},
		"lying bomb":        {protocols.PrefixCL, bomb(t, good, 100), "CL_RESEND"},
		"other sender":      {protocols.PrefixCL, s.frame(func(e *protocols.Envelope) { e.SenderID = s.n.id }, resend), "CL_RESEND"},
		"other destination": {protocols.PrefixCL, s.frame(func(e *protocols.Envelope) { e.DestID = e.SenderID }, resend), "CL_RESEND"},
		"other project":     {protocols.PrefixCL, s.frame(func(e *protocols.Envelope) { e.ApplicationID = "q" }, resend), "CL_RESEND"},
		"other prefix":      {protocols.PrefixWOB, good, "CL_RESEND"},
		"late hello":        {protocols.PrefixNode, append(s.frame(nil, protocols.Leave{}), s.frame(nil, hello())...), "NODE_HELLO"},
		"large, not alone": {protocols.PrefixWOB, append(s.frame(nil, protocols.Transfer{WOB: bigWOB(2 << 20)}),
			s.frame(nil, protocols.OfferAck{Request: "r", Offer: "o"})...), ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(of[Rejected](s.n))
			st := s.open(c.prefix)
			_, _ = st.Write(c.frame)
			if name == "endless length" { // an error of the number's form, not a breach worth a name
				isReset(t, st)
				return
			}
			got := waitFor[Rejected](s.n, before+1)[before]
			require.Equal(t, wob.NodeID(s.h.ID().String()), got.From)
			require.Equal(t, c.kind, got.Kind)
			require.NotEmpty(t, got.Reason)
			isReset(t, st)
		})
	}
	require.Empty(t, of[PeerDown](s.n), "other streams of the peer live on")
	st := s.open(protocols.PrefixCL)
	_, err := st.Write(good)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.n.Stats().Received["CL_RESEND"].Messages >= 2 }, patience, time.Millisecond)
}

func TestUnknownKindIsCountedAndDropped(t *testing.T) {
	s := newStranger(t, Limits{})
	s.greet()
	good := s.frame(nil, protocols.Resend{MemberSeq: 1})
	st := s.open(protocols.PrefixCL)
	_, err := st.Write(append(bytes.Replace(good, []byte("CL_RESEND"), []byte("CL_FUTURE"), 1), good...))
	require.NoError(t, err)
	waitFor[Received](s.n, 1)
	require.Equal(t, uint64(1), s.n.Stats().Unknown)
	require.Empty(t, of[Rejected](s.n))
}

func TestClaimsAllocateNothing(t *testing.T) {
	s := newStranger(t, Limits{Progress: 100 * time.Millisecond})
	s.greet()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var open []network.Stream
	for range 20 {
		st := s.open(protocols.PrefixWOB)
		_, err := st.Write(binary.AppendUvarint(nil, protocols.MaxStreamFrame))
		require.NoError(t, err)
		open = append(open, st)
	}
	for _, st := range open {
		isReset(t, st) // too slow
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(20<<20))
}

func TestNothingBeforeHello(t *testing.T) {
	for _, prefix := range []protocols.Prefix{protocols.PrefixCL, protocols.PrefixNode} {
		s := newStranger(t, Limits{HelloWait: 100 * time.Millisecond})
		st := s.open(prefix)
		body := protocols.Body(protocols.Resend{})
		if prefix == protocols.PrefixNode {
			body = protocols.Leave{}
		}
		_, err := st.Write(s.frame(nil, body))
		require.NoError(t, err)
		require.Equal(t, errNoHello.Error(), waitFor[Rejected](s.n, 1)[0].Reason)
		isReset(t, st)
		require.Empty(t, of[Received](s.n))
	}
}

func TestWrongHelloEndsTheConnection(t *testing.T) {
	for name, change := range map[string]func(*protocols.Hello, *protocols.Envelope){
		"project":          func(h *protocols.Hello, _ *protocols.Envelope) { h.Project = "q" },
		"envelope project": func(_ *protocols.Hello, e *protocols.Envelope) { e.ApplicationID = "q" },
		"version":          func(h *protocols.Hello, _ *protocols.Envelope) { h.Version = 2 },
		"sender":           func(_ *protocols.Hello, e *protocols.Envelope) { e.SenderID = e.DestID },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStranger(t, Limits{})
			st := s.open(protocols.PrefixNode)
			h, e := hello(), s.envelope()
			change(&h, &e)
			_, err := st.Write(s.frame(func(p *protocols.Envelope) { *p = e }, h))
			require.NoError(t, err)
			require.Equal(t, kindHello, waitFor[Rejected](s.n, 1)[0].Kind)
			require.Eventually(t, func() bool {
				return s.h.Network().Connectedness(s.n.h.ID()) == network.NotConnected
			}, patience, time.Millisecond)
			require.Empty(t, of[PeerUp](s.n))
			require.Empty(t, of[PeerDown](s.n))
		})
	}
}

func TestChangedAndRestartedHello(t *testing.T) {
	s := newStranger(t, Limits{})
	s.greet()
	h := hello()
	h.Capacity = 5
	for range 2 { // the second one is no news
		st := s.open(protocols.PrefixNode)
		_, err := st.Write(append(s.frame(nil, h), s.frame(nil, protocols.Leave{})...))
		require.NoError(t, err)
	}
	waitFor[Received](s.n, 2)
	up := of[PeerUp](s.n)
	require.Len(t, up, 2)
	require.Equal(t, 5, up[1].Hello.Capacity)

	h.Instance = 77 // the node was started anew, and the old connection is not yet known to be dead
	st := s.open(protocols.PrefixNode)
	_, err := st.Write(s.frame(nil, h))
	require.NoError(t, err)
	waitFor[PeerUp](s.n, 3)
	require.Len(t, of[PeerDown](s.n), 1)
	require.Len(t, s.n.Peers(), 1)
}

func TestTooManyStreams(t *testing.T) {
	s := newStranger(t, Limits{})
	s.greet()
	for range maxInbound {
		st := s.open(protocols.PrefixCL)
		_, err := st.Write([]byte{100}) // and no more
		require.NoError(t, err)
	}
	require.Equal(t, errTooMany.Error(), waitFor[Rejected](s.n, 1)[0].Reason)
}
