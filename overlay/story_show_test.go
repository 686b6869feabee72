package overlay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// showing says which messages a story prints when they are sent; what was sent since the
// last command is in lines.
type showing struct {
	kinds    []string
	from, to string
	lines    strings.Builder
}

// show replaces what is shown from here on; without a kind nothing is.
func (s *story) show(d *datadriven.TestData) string {
	words, set := args(d)
	known := map[string]bool{}
	for _, k := range protocols.Catalogue() {
		known[string(k.Kind)] = true
	}
	for _, kind := range words {
		if !known[kind] {
			return "no such kind: " + kind + "\n"
		}
	}
	s.shown = showing{kinds: words, from: set["from"], to: set["to"]}
	s.w.sent = s.message
	return ""
}

// message notes a message that is sent; to is empty for gossip. Times are to 100 ms, so that
// the stories do not change with every random delay.
func (s *story) message(from, to wob.NodeID, body protocols.Body) {
	x := &s.shown
	if !slices.Contains(x.kinds, string(body.Kind())) ||
		x.from != "" && x.from != string(from) || x.to != "" && x.to != string(to) {
		return
	}
	at := s.w.now.Sub(core.Time(time.Hour)).Round(100 * time.Millisecond)
	line := fmt.Sprintf("%5.1fs %s -> %s %s %s", at.Seconds(), from, to, body.Kind(), messageLine(body))
	if to == "" {
		line = fmt.Sprintf("%5.1fs %s gossips %s %s", at.Seconds(), from, body.Kind(), messageLine(body))
	}
	x.lines.WriteString(strings.TrimRight(line, " ") + "\n")
}

// messageLine prints the fields of a message that a reader of a story wants to know.
func messageLine(body protocols.Body) string {
	switch m := body.(type) {
	case protocols.Join:
		return fmt.Sprintf("attach=%s capacity=%d public=%t%s", counter(m.MemberSeq), m.Capacity, m.Public, entriesText(m.WOBs))
	case protocols.Accept:
		return fmt.Sprintf("attach=%s %s", counter(m.MemberSeq), viewText(m.View))
	case protocols.Refuse:
		return fmt.Sprintf("attach=%s %s: %s", counter(m.MemberSeq), viewText(m.View), m.Reason)
	case protocols.Beat:
		return beatText(m)
	case protocols.Leave:
		return fmt.Sprintf("attach=%s %s", counter(m.MemberSeq), m.Reason)
	case protocols.Detached:
		return fmt.Sprintf("attach=%s %s", counter(m.MemberSeq), m.Reason)
	case protocols.Prepare:
		return fmt.Sprintf("base=%d next %s", m.Base, viewText(m.Next))
	case protocols.Prepared:
		if m.View != nil {
			return fmt.Sprintf("epoch=%d ok=%t knows %s", m.Epoch, m.OK, viewText(*m.View))
		}
		return fmt.Sprintf("epoch=%d ok=%t", m.Epoch, m.OK)
	case protocols.Commit:
		return viewText(m.View)
	case protocols.ViewIs:
		return viewText(m.View)
	}
	return indexLine(body)
}

// indexLine is messageLine for the messages about WOBs and work.
func indexLine(body protocols.Body) string {
	switch m := body.(type) {
	case protocols.Update:
		return fmt.Sprintf("attach=%s seq=%s full=%t%s", counter(m.MemberSeq), counter(m.Seq), m.Full, entriesText(m.Entries))
	case protocols.Resend:
		return fmt.Sprintf("attach=%s", counter(m.MemberSeq))
	case protocols.Index:
		return fmt.Sprintf("origin=%s seq=%s%s", m.Origin, counter(m.Seq), entriesText(m.Entries))
	case protocols.SyncRequest:
		return fmt.Sprintf("has %d", m.Digest.Count)
	case protocols.Sync:
		out := fmt.Sprintf("last=%t%s", m.Last, entriesText(m.Entries))
		for _, origin := range slices.Sorted(maps.Keys(m.Seqs)) {
			out += fmt.Sprintf(" %s:seq=%s", origin, counter(m.Seqs[origin]))
		}
		return out
	case protocols.Query:
		return wobName(m.WOB)
	case protocols.AnswerIs:
		if m.Entry != nil {
			return fmt.Sprintf("%s %s", m.Answer, describe(*m.Entry))
		}
		return fmt.Sprintf("%s %s", m.Answer, wobName(m.WOB))
	case protocols.LostHint:
		return strings.TrimPrefix(entriesText(m.Entries), " ")
	case protocols.Superseded:
		return "by " + describe(m.Entry)
	case protocols.FindWork:
		return fmt.Sprintf("%s apps=%v slots=%d avoid=%v", m.Request, m.Apps, m.Slots, m.Avoid)
	case protocols.WorkIs:
		out := fmt.Sprintf("%s gateway=%t busy=%t", m.Request, m.Gateway, m.Busy)
		for _, p := range m.Places {
			out += fmt.Sprintf(" %s@%s", wobName(p.WOB), p.Holder)
		}
		return out
	case protocols.Notify:
		return wobName(m.WOB)
	case protocols.WorkloadIs:
		return levelText(m.Workload)
	}
	return ""
}

// counter prints a number that goes on in the next life of its node, as life.number.
func counter(n uint64) string {
	if life := n >> 32; life > 0 {
		return fmt.Sprintf("%d.%d", life, n&(1<<32-1))
	}
	return fmt.Sprint(n)
}

func viewText(v protocols.View) string { return fmt.Sprintf("view=%d%v", v.Epoch, names(v)) }

func levelText(l protocols.Workload) string { return fmt.Sprintf("level=%d/%d", l.Gateway, l.Cluster) }

func beatText(m protocols.Beat) string {
	out := fmt.Sprintf("view=%d %s idle=%d", m.ViewEpoch, levelText(m.Workload), m.Idle)
	switch {
	case m.Reply:
		out += " reply"
	case m.Index != nil:
		out += fmt.Sprintf(" members=%d index=%d", m.Members, m.Index.Count)
	default:
		out += fmt.Sprintf(" attach=%s wobseq=%s", counter(m.MemberSeq), counter(m.WOBSeq))
	}
	return out
}

func entriesText(entries []protocols.Entry) string {
	out := ""
	for i, e := range entries {
		if i > 0 {
			out += ","
		}
		out += " " + describe(e)
	}
	return out
}
