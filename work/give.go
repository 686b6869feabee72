package work

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// asker is a request that waits for its turn.
type asker struct {
	node    wob.NodeID
	request string
	spec    appapi.NodeSpec
	apps    []string
	at      core.Time // when it came
	tried   []wob.ID  // WOBs that had nothing to give
}

// offer is a part of a WOB, or a whole one, reserved for an asker. One a WOB.
type offer struct {
	id      string // unique for this node
	appID   string // the application's name for it; empty for a whole one
	rec     *rec
	to      wob.NodeID
	request string
	whole   bool
	acking  bool // taken; OnWOBOfferAck is under way
}

var (
	_ = onMessage((*Machine).request)
	_ = onMessage((*Machine).offerAck)
	_ = onReply(appapi.OnWOBRequest, (*Machine).offered)
)

func (m *Machine) none(to wob.NodeID, request, reason string) {
	m.send(to, nil, protocols.None{Request: request, Reason: reason})
}

// request answers another node's request for work (paper, section 3.4.7: OnWOBRequest).
func (m *Machine) request(from wob.NodeID, q protocols.Request) {
	a := &asker{node: from, request: q.Request, spec: q.Node, apps: q.Apps, at: m.now}
	a.spec.Peer = from
	if r := m.wholeFor(a, q.Prefer); r != nil && from != m.cfg.Self {
		m.offerWhole(r, a)
		return
	}
	if m.leaving {
		m.none(from, q.Request, "leaving")
		return
	}
	m.place(a, q.Prefer)
}

// place puts a request into the queue of the record that has most to give.
func (m *Machine) place(a *asker, prefer wob.ID) {
	var best *rec
	for _, r := range m.list {
		if !r.computing() || r.called || !a.runs(r.app()) || slices.Contains(a.tried, r.id()) {
			continue
		}
		if best == nil || r.id() == prefer || best.id() != prefer && r.left(m) > best.left(m) {
			best = r
		}
	}
	if best == nil {
		reason := "none"
		if len(a.tried) > 0 {
			reason = "small"
		}
		m.none(a.node, a.request, reason)
		return
	}
	for i, o := range best.queue {
		if o.node == a.node { // it asked again; the old question is over
			best.queue = slices.Delete(best.queue, i, i+1)
			m.queued--
			break
		}
	}
	if m.queued >= m.cfg.MaxQueue {
		m.none(a.node, a.request, "busy")
		return
	}
	m.queued++
	best.queue = append(best.queue, a)
	m.queueDue(best)
	m.pump(best)
}

func (a *asker) runs(app string) bool { return slices.Contains(a.apps, appName(app)) }

// left estimates the seconds of work that remain.
func (r *rec) left(m *Machine) float64 {
	return r.mem.Effort.Remaining / cmp.Or(m.speed[appName(r.app())], 1)
}

func (m *Machine) queueDue(r *rec) {
	at := core.Never
	for _, a := range r.queue {
		at = min(at, a.at.Add(m.cfg.OfferWait/2))
	}
	r.timers.Set(recQueue, at)
}

// tooLong answers requests that waited for too long behind others.
func (m *Machine) tooLong(r *rec) {
	r.queue = slices.DeleteFunc(r.queue, func(a *asker) bool {
		if a.at.Add(m.cfg.OfferWait/2) > m.now {
			return false
		}
		m.queued--
		m.none(a.node, a.request, "busy")
		return true
	})
	m.queueDue(r)
}

func (m *Machine) declineQueue(r *rec, reason string) {
	for _, a := range r.queue {
		m.none(a.node, a.request, reason)
	}
	m.queued -= len(r.queue)
	r.queue = nil
	r.timers.Clear(recQueue)
}

// nextRequest asks the application for an offer to the next one in the queue.
func (m *Machine) nextRequest(r *rec) {
	if len(r.queue) == 0 || r.offer != nil || r.asking != nil || !r.computing() {
		return
	}
	a := r.queue[0]
	r.queue = r.queue[1:]
	m.queued--
	m.queueDue(r)
	r.offer = &offer{id: m.name(), rec: r, to: a.node, request: a.request}
	theirs, ours := a.spec.Speed, m.speed[appName(r.app())]
	if theirs <= 0 || ours <= 0 { // the ratio is unknown
		theirs, ours = 1, 1
	}
	spec := a.spec
	spec.Speed = theirs
	r.asking = a
	m.call(r.proc, appapi.OnWOBRequest, appapi.RequestParams{
		Request: appapi.Request{ID: a.request, Node: spec}, Self: appapi.Speed{Speed: ours},
	}, call{rec: r, offer: r.offer})
}

func (m *Machine) offered(p *proc, r *rec, c *call, in AppReply) {
	var res appapi.RequestResult
	a := r.asking
	if in.Code == appapi.CodeUnknownMethod { // an application that gives nothing away
		in.Code, in.Result = 0, `{"offer":null}`
	}
	if !m.answer(p, c, in, &res) {
		return
	}
	o := res.Offer
	r.asking = nil
	if r.offer != c.offer || r.quit != quitNot || r.again { // withdrawn meanwhile, or too late
		if r.offer == c.offer {
			r.offer = nil
			m.none(a.node, a.request, "busy")
		}
		if o != nil {
			m.notify(p, appapi.OnWOBOfferRelease, appapi.OfferParams{Offer: o.ID})
		}
		m.goOn(r)
		return
	}
	if o == nil || !(o.Effort >= 0) || o.Effort > 1e300 || len(o.ID) > 1024 {
		r.offer = nil
		a.tried = append(a.tried, r.id())
		m.declineQueue(r, "small")
		m.place(a, "")
		m.pump(r)
		return
	}
	c.offer.appID = o.ID
	m.offers[c.offer.id] = c.offer
	r.timers.Set(recOffer, m.in(m.cfg.OfferLease))
	m.send(a.node, nil, protocols.Offer{Request: a.request, Offer: c.offer.id, WOB: r.id(), App: r.app(), Effort: o.Effort})
}

// releaseOffer unlocks the open offer of a record and, with a reason, tells the asker.
// One that was taken stays: its answer is on the way.
func (m *Machine) releaseOffer(r *rec, reason string) {
	o := r.offer
	if o == nil {
		return
	}
	r.offer = nil
	r.timers.Clear(recOffer)
	delete(m.offers, o.id)
	if o.appID != "" && !o.acking && r.proc != nil {
		m.notify(r.proc, appapi.OnWOBOfferRelease, appapi.OfferParams{Offer: o.appID})
	}
	if reason != "" {
		m.none(o.to, o.request, reason)
	}
}

// withdraw is releaseOffer before the record leaves its process, unless the offer was
// taken: then the part leaves first.
func (m *Machine) withdraw(r *rec, reason string) {
	if r.offer != nil && !r.offer.acking {
		m.releaseOffer(r, reason)
	}
}

// disclaim releases an offer of a WOB that left the process before the answer came.
func (m *Machine) disclaim(p *proc, in AppReply) {
	var res appapi.RequestResult
	if in.Code == 0 && json.Unmarshal([]byte(in.Result), &res) == nil && res.Offer != nil {
		m.notify(p, appapi.OnWOBOfferRelease, appapi.OfferParams{Offer: res.Offer.ID})
	}
}

// offerAck commits or releases an offer.
func (m *Machine) offerAck(from wob.NodeID, ack protocols.OfferAck) {
	o := m.offers[ack.Offer]
	if o == nil || o.to != from || o.request != ack.Request || o.acking {
		if ack.Take && (o == nil || o.to != from) && !m.transferring(from, ack.Request) {
			m.none(from, ack.Request, "busy") // too late
		}
		return
	}
	r := o.rec
	if !ack.Take {
		m.releaseOffer(r, "")
		m.pump(r)
		return
	}
	r.timers.Clear(recOffer)
	delete(m.offers, o.id)
	if o.whole {
		r.offer = nil
		m.handOver(r, o.to, o.request)
		return
	}
	o.acking = true
	child := m.cfg.NewID()
	m.call(r.proc, appapi.OnWOBOfferAck, appapi.OfferParams{Offer: o.appID, Child: child},
		call{rec: r, offer: o, child: child})
}

// wholeFor returns a packed record that the asker may have whole.
func (m *Machine) wholeFor(a *asker, prefer wob.ID) *rec {
	var best *rec
	for _, r := range m.list {
		switch {
		case r.offer != nil || r.save != nil || !a.runs(r.app()):
		case r.phase != held && (r.phase != waiting || m.canRun(r.app())):
		case slices.ContainsFunc(r.mem.Failures, func(f wob.Failure) bool { return f.Node == a.node }):
		case best == nil || r.id() == prefer:
			best = r
		}
	}
	return best
}

func (m *Machine) offerWhole(r *rec, a *asker) {
	o := &offer{id: m.name(), rec: r, to: a.node, request: a.request, whole: true}
	r.offer = o
	m.offers[o.id] = o
	r.timers.Set(recOffer, m.in(m.cfg.OfferLease))
	m.send(a.node, nil, protocols.Offer{
		Request: a.request, Offer: o.id, WOB: r.id(), App: r.app(), Effort: r.mem.Effort.Remaining, Whole: true,
	})
}
