package overlay

import (
	"testing"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
)

// BenchmarkUpdate is one change of a member at its supervisor, index gossip included.
func BenchmarkUpdate(b *testing.B) {
	w, _ := victim(b, 1)
	s := w.nodes["d"].supervisor
	a, seq := w.nodes[s], w.nodes[s].sup.roster.Get("d").WOBSeq
	member := a.sup.roster.Get("d").Seq
	e := running(3)
	e.Inc.Holder, e.Addrs = "d", []string{"/ip4/192.0.2.1/udp/4001/quic-v1"}
	var out []Effect
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		seq++
		e.Seq = 1<<40 + uint64(i)
		body := protocols.Update{MemberSeq: member, Seq: seq, Entries: []protocols.Entry{e}}
		out = a.Step(w.now+core.Time(i), Receive{protocols.Message{From: "d", To: s, Body: body}}, out[:0])
	}
}

// BenchmarkIndex is one gossiped part of a hundred entries at another supervisor.
func BenchmarkIndex(b *testing.B) {
	w, _ := victim(b, 1)
	m := w.nodes["b"]
	entries := make([]protocols.Entry, 100)
	var out []Effect
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for k := range entries {
			entries[k] = running(k + 100)
			entries[k].Inc.Holder, entries[k].Seq = "a", 1<<40+uint64(i)
		}
		body := protocols.Index{Cluster: m.view.Cluster, Origin: "a", Seq: 1<<40 + uint64(i), Entries: entries}
		out = m.Step(w.now+core.Time(i), Receive{protocols.Message{From: "a", Body: body}}, out[:0])
	}
}

// BenchmarkQuery is a location query, BenchmarkFind a search for work, both at a
// supervisor that lists 2000 WOBs.
func BenchmarkQuery(b *testing.B) {
	w, _ := victim(b, 1)
	m := w.nodes["a"]
	for i := range 2000 {
		m.Step(w.now, Hold{running(100 + i)}, nil)
	}
	var out []Effect
	b.ReportAllocs()
	for b.Loop() {
		body := protocols.Query{Query: "q", WOB: testID(700)}
		out = m.Step(w.now, Receive{protocols.Message{From: "d", Body: body}}, out[:0])
	}
}

func BenchmarkFind(b *testing.B) {
	w, _ := victim(b, 1)
	s := w.nodes["d"].supervisor
	m := w.nodes[s]
	for i := range 2000 {
		m.Step(w.now, Hold{running(100 + i)}, nil)
	}
	var out []Effect
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		body := protocols.FindWork{Request: "r", Apps: []string{"primes"}, Slots: 1}
		out = m.Step(w.now.Add(time.Duration(i)*time.Millisecond), Receive{protocols.Message{From: "d", Body: body}}, out[:0])
	}
}
