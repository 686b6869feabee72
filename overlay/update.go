package overlay

import (
	"maps"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// What this node holds, and how it tells its supervisor (paper, section 3.4.3:
// differential updates). A change goes out at once; what follows soon goes
// together.

var (
	_ = on((*Machine).onHold)
	_ = on((*Machine).onRelease)
	_ = handle((*Machine).onResend)
	_ = handle((*Machine).onSuperseded)
	_ = alarm(timerFlush, func(*Machine) {}) // the flush at the end of the step does it
)

const (
	batch         = 20 * time.Millisecond // between two updates
	maxUpdate     = 1 << 20               // bytes of one update, estimated
	maxEverything = 3 << 20               // bytes of all entries in one message, estimated
	maxListed     = 16_000                // entries of one message; the catalogue allows 16384
	maxReleased   = 256                   // releases repeated to a new supervisor
	releasedFor   = 10 * time.Minute      // for so long: a supervisor may die with the news
)

// holdings are the WOBs of this node, and the news about them not yet told.
type holdings struct {
	seq       uint64 // last entry sequence used: rises with every change and across restarts
	updateSeq uint64 // last differential update sent
	own       map[wob.ID]protocols.Entry
	pending   map[wob.ID]protocols.Entry
	order     []wob.ID // of pending
	released  []released
	sent      core.Time
	any       bool // an update was sent at the instant sent
}

type released struct {
	entry protocols.Entry
	at    core.Time
}

func (h *holdings) clear() {
	clear(h.pending)
	h.order = h.order[:0]
}

func (h *holdings) note(e protocols.Entry) {
	if _, twice := h.pending[e.ID]; !twice {
		h.order = append(h.order, e.ID)
	}
	h.pending[e.ID] = e
}

func (m *Machine) onHold(in Hold) {
	e := in.Entry
	e.Inc.Holder, e.Stale, e.Gone = m.cfg.Self, false, false
	if e.Addrs = usable(e.Addrs); len(e.Addrs) == 0 {
		e.Addrs = m.cfg.Addrs
	}
	m.holds.seq++
	e.Seq = m.holds.seq
	m.holds.own[e.ID] = e
	m.holds.released = slices.DeleteFunc(m.holds.released, func(r released) bool { return r.entry.ID == e.ID })
	m.announce(e)
}

func (m *Machine) onRelease(in Release) {
	e := in.Entry
	e.Gone, e.Stale = in.Gone, false
	if own, ok := m.holds.own[e.ID]; ok && (e.Inc.Holder == "" || e.Inc.Holder == m.cfg.Self) {
		if !in.Gone {
			e = own
		}
		delete(m.holds.own, e.ID)
	}
	if e.Inc.Holder == "" {
		e.Inc.Holder = m.cfg.Self
	}
	if e.Inc.Holder == m.cfg.Self {
		m.holds.seq++
		e.Seq = m.holds.seq
	} else if !in.Gone {
		return // another node's WOB never was announced from here
	}
	e.Stale = !in.Gone
	if len(m.holds.released) == maxReleased {
		m.holds.released = slices.Delete(m.holds.released, 0, 1)
	}
	m.holds.released = append(m.holds.released, released{e, m.now})
	m.announce(e)
}

// announce tells the index about e: the own one, or the supervisor's.
func (m *Machine) announce(e protocols.Entry) {
	if m.sup != nil {
		m.listOwn(e)
		return
	}
	m.holds.note(e)
}

// everything lists all this node holds, with new sequences so that it overrules what
// was marked outdated meanwhile, and what it released lately.
func (m *Machine) everything() []protocols.Entry {
	h := &m.holds
	h.released = slices.DeleteFunc(h.released, func(r released) bool { return m.now.Sub(r.at) > releasedFor })
	list := make([]protocols.Entry, 0, len(h.own)+len(h.released))
	for _, id := range slices.Sorted(maps.Keys(h.own)) {
		e := h.own[id]
		h.seq++
		e.Seq = h.seq
		h.own[id] = e
		list = append(list, e)
	}
	for _, r := range h.released {
		list = append(list, r.entry)
	}
	h.clear()
	if len(list) == 0 {
		return list
	}
	n := fit(list, maxEverything, maxListed)
	for _, e := range list[n:] {
		h.note(e) // more than one message holds: the rest follows as an update
	}
	return list[:n]
}

// flush sends what has gathered, at the end of a step.
func (m *Machine) flush() {
	if m.sup != nil {
		m.flushIndex()
		return
	}
	h := &m.holds
	if m.role != Member || len(h.order) == 0 {
		return
	}
	if due := h.sent.Add(batch); h.any && m.now < due {
		m.sooner(timerFlush, due)
		return
	}
	h.sent, h.any = m.now, true
	list := make([]protocols.Entry, len(h.order))
	for i, id := range h.order {
		list[i] = h.pending[id]
	}
	h.clear()
	for part := range parts(list, maxUpdate, maxListed) {
		h.updateSeq++
		m.send(m.supervisor, protocols.Update{MemberSeq: m.memberSeq, Seq: h.updateSeq, Entries: part})
	}
}

// onResend answers with everything, after a gap.
func (m *Machine) onResend(from wob.NodeID, r protocols.Resend) {
	if m.role != Member || from != m.supervisor || r.MemberSeq != m.memberSeq {
		return
	}
	m.holds.updateSeq++
	m.send(from, protocols.Update{MemberSeq: m.memberSeq, Seq: m.holds.updateSeq, Full: true, Entries: m.everything()})
}

// onSuperseded learns that a WOB held here lives on elsewhere, or is gone.
func (m *Machine) onSuperseded(from wob.NodeID, s protocols.Superseded) {
	if find(m.view.Supervisors, from) == nil {
		m.reject(from, s.Kind(), "not from a supervisor of this cluster")
		return
	}
	m.overruled(s.Entry)
}

func (m *Machine) overruled(e protocols.Entry) {
	own, ok := m.holds.own[e.ID]
	if !ok || e.Inc.Less(own.Inc) || e.Inc == own.Inc && !e.Gone {
		return
	}
	m.report(NewerKnown{Entry: e})
}
