package work

import (
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// birth is a child that left its parent but is not dispatched: first the parent's
// snapshot that lists it and its own birth WOB are stored.
type birth struct {
	w       *wob.WOB
	to      wob.NodeID
	request string
}

func (r *rec) born(id wob.ID) *birth {
	for _, b := range r.births {
		if b.w.ID == id {
			return b
		}
	}
	return nil
}

var _ = onReply(appapi.OnWOBOfferAck, (*Machine).childBorn)

// childBorn puts the part that left the WOB into its children table, in the same instant
// (S1), and has both stored.
func (m *Machine) childBorn(p *proc, r *rec, c *call, in AppReply) {
	o := c.offer
	if r.offer == o {
		r.offer = nil
	}
	if in.Code == appapi.CodeUnknownOffer { // the part is not taken
		m.none(o.to, o.request, "busy")
		m.goOn(r)
		return
	}
	var res appapi.OfferAckResult
	if !m.answer(p, c, in, &res) {
		m.none(o.to, o.request, "none")
		return
	}
	n := res.Child
	w := &wob.WOB{
		ID: c.child, App: r.app(), Parent: r.id(), Holder: o.to, State: wob.Created, Boundary: n.Boundary,
		Checkpoint: n.Checkpoint, Meta: n.Meta, Effort: n.Effort,
	}
	err := w.Validate()
	if err == nil {
		err = r.mem.AddChild(wob.Child{
			ID: w.ID, Boundary: n.Boundary, State: wob.Created, Birth: n.Checkpoint, Effort: n.Effort, Meta: n.Meta, Holder: o.to,
		})
	}
	if err != nil { // the part left the application but can't be a child: go back
		m.none(o.to, o.request, "none")
		m.kill(p, err)
		return
	}
	r.births = append(r.births, &birth{w: w, to: o.to, request: o.request})
	r.wantSave = true
	m.goOn(r)
}

// goOn follows an offer that is resolved.
func (m *Machine) goOn(r *rec) {
	how := r.quit
	r.quit = quitNot
	switch {
	case how == quitExit:
		m.exit(r)
	case how == quitSuspend:
		m.suspend(r)
	case r.again && !r.open && !r.stopping && !r.exiting:
		m.compute(r)
	default:
		r.again = false
		m.pump(r)
	}
}

// transfer is a WOB on its way to another node, repeated to the same one until that one
// acknowledges or refuses.
type transfer struct {
	w        *wob.WOB
	to       wob.NodeID
	request  string
	parent   *rec // of a child that is dispatched
	rec      *rec // of a whole WOB that moves
	tries    int
	resend   resend
	at       core.Time
	down     bool // the receiver is out of reach
	locating bool
}

// unanswered is how often a transfer is sent to a node that never answers, before that
// node counts as gone.
const unanswered = 10

// dispatch sends a child that is stored.
func (m *Machine) dispatch(r *rec, b *birth) {
	r.births = slices.DeleteFunc(r.births, func(o *birth) bool { return o == b })
	if c := r.mem.Lookup(b.w.ID); c == nil || c.State == wob.Merged {
		return
	}
	r.kids[b.w.ID] = &kid{
		id: b.w.ID, holder: b.to, inc: b.w.Incarnation(), heard: m.now, voice: m.now, unknown: core.Never, at: m.in(m.patience()),
	}
	m.kidsDue(r)
	m.report(Split{WOB: r.id(), Child: b.w.ID, To: b.to, Effort: b.w.Effort.Remaining})
	m.carry(&transfer{w: b.w, to: b.to, request: b.request, parent: r})
}

func (m *Machine) carry(t *transfer) {
	m.transfers[t.w.ID] = t
	m.sendTransfer(t)
}

func (m *Machine) sendTransfer(t *transfer) {
	t.tries++
	t.at = t.resend.next(m)
	m.send(t.to, nil, protocols.Transfer{Request: t.request, Move: t.rec != nil, WOB: t.w})
}

// repeat repeats a transfer, or gives its receiver up.
func (m *Machine) repeat(t *transfer) {
	switch {
	case t.rec != nil && t.down:
		m.findMoved(t)
	case t.parent != nil && (t.down || t.tries >= unanswered):
		m.retake(t)
	default:
		m.sendTransfer(t)
	}
}

// transferring reports whether a WOB is on its way to a node that asked so.
func (m *Machine) transferring(to wob.NodeID, request string) bool {
	for _, t := range m.transfers {
		if t.to == to && t.request == request {
			return true
		}
	}
	for _, r := range m.list {
		if slices.ContainsFunc(r.births, func(b *birth) bool { return b.to == to && b.request == request }) {
			return true
		}
		if r.offer != nil && r.offer.acking && r.offer.to == to && r.offer.request == request {
			return true
		}
	}
	return false
}

// receiverGone has transfers to a node that is out of reach given up soon.
func (m *Machine) receiverGone(n wob.NodeID, down bool) {
	for _, id := range sortedKeys(m.transfers) {
		t := m.transfers[id]
		if t.to != n {
			continue
		}
		t.down = t.down || down || t.tries >= 3
		t.at = min(t.at, m.in(m.cfg.Resend))
	}
}

var _ = onMessage((*Machine).transferAckIn)

func (m *Machine) transferAckIn(from wob.NodeID, ack protocols.TransferAck) {
	t := m.transfers[ack.WOB]
	if t == nil || t.to != from {
		return
	}
	switch {
	case ack.OK && ack.Inc.Less(t.w.Incarnation()):
		return // of an earlier one
	case ack.OK && t.rec != nil:
		m.movedAway(t.rec, t)
	case ack.OK:
		m.bornAlive(t.parent, t.w.ID)
	case t.rec != nil:
		m.stay(t)
	default:
		m.retake(t)
	}
}

// bornAlive ends the dispatch of a child that was heard of.
func (m *Machine) bornAlive(r *rec, child wob.ID) {
	t := m.transfers[child]
	if t == nil || t.parent != r {
		return
	}
	delete(m.transfers, child)
	if r.inProcess() {
		m.notify(r.proc, appapi.OnWOBChildAck, appapi.ChildParams{Child: child})
	}
	if k := r.kids[child]; k != nil {
		k.voice = m.now
		k.heardFrom(m, t.to, t.w.Incarnation(), nil)
	}
}

// retake makes a child whose receiver refused it or is gone a record of this node. The
// receiver may have it all the same: two live copies cost time, never correctness.
func (m *Machine) retake(t *transfer) {
	delete(m.transfers, t.w.ID)
	r := t.parent
	if r.dead || r.find(t.w.ID) != nil {
		return
	}
	if c := r.mem.Lookup(t.w.ID); c != nil && c.State != wob.Merged {
		m.recover(r, t.w.ID, t.w)
	}
}
