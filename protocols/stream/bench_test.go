package stream

import (
	"testing"

	"github.com/wobcompute/wobcompute/protocols"
)

// BenchmarkBeats sends beats over one link, as fast as the receiver takes them.
func BenchmarkBeats(b *testing.B) {
	for name, addr := range map[string]string{"tcp": tcpAddr, "quic": quicAddr} {
		b.Run(name, func(b *testing.B) {
			x, y := pair(b, addr)
			x.Connect(y.id, y.addrs)
			waitFor[PeerUp](x, 1)
			b.ReportAllocs()
			const window = 1000
			for i := range b.N {
				x.Send(y.id, nil, protocols.Beat{Cluster: "c", MemberSeq: uint64(i), Idle: 1})
				if i%window == window-1 {
					waitFor[Received](y, i+1)
				}
			}
			waitFor[Received](y, b.N)
		})
	}
}
