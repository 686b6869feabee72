package work

import (
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// search is this node's search for work: one at a time, the next begins when it succeeds.
type search struct {
	stage   searchStage
	request string
	places  []protocols.WorkAt
	gateway bool
	busy    bool // there is work in the cluster
	again   bool // work became available while asking
	holder  wob.NodeID
	since   core.Time // of the request now under way
	pause   time.Duration
}

type searchStage uint8

const (
	searchIdle searchStage = iota
	searchFinding
	searchAsking
	searchGateway
)

// expect is an offer that was taken: a slot is kept for the WOB.
type expect struct {
	request, offer string
	holder         wob.NodeID
	since, until   core.Time
}

const (
	avoidFor    = time.Second      // a holder that had nothing just now
	findWait    = 10 * time.Second // for the overlay's answer
	gatewayWait = 30 * time.Second // for the gateway's
	maxAvoided  = 64
)

// expectWait bounds the wait for a WOB whose offer was taken: the holder checkpoints and
// stores first, which the protocol gives half a minute.
func (m *Machine) expectWait() time.Duration { return max(12*m.cfg.OfferWait, 30*time.Second) }

// free returns how many processes are up and have nothing to do, nor are kept for a WOB
// that is on its way.
func (m *Machine) free() int {
	if m.paused || m.leaving {
		return 0
	}
	n := -len(m.expected)
	for _, p := range m.slots() {
		if p.idle() {
			n++
		}
	}
	return n
}

// seek begins a search if there is a slot to fill.
func (m *Machine) seek() {
	free := m.free()
	if free <= 0 || m.search.stage != searchIdle || m.timers.Armed(timerAsk) || !m.joined && len(m.live) == 0 {
		return
	}
	s := &m.search
	s.stage, s.request, s.places, s.again = searchFinding, m.name(), nil, false
	var avoid []wob.NodeID
	for _, n := range sortedKeys(m.avoid) {
		if m.avoid[n] > m.now {
			avoid = append(avoid, n)
		} else {
			delete(m.avoid, n)
		}
	}
	m.timers.Set(timerSearch, m.in(findWait))
	m.emit(Find{Request: s.request, Apps: m.appNames(), Slots: free, Avoid: avoid})
}

// appNames returns the applications that this node asks work for.
func (m *Machine) appNames() []string {
	var names []string
	for _, a := range m.apps {
		if m.fit(a.Name) {
			names = append(names, a.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var (
	_ = onInput((*Machine).workAt)
	_ = onInput((*Machine).gatewayWork)
	_ = onInput((*Machine).workloadRose)
	_ = onMessage((*Machine).offerIn)
	_ = onMessage((*Machine).noneIn)
)

func (m *Machine) workAt(in WorkAt) {
	s := &m.search
	if s.stage != searchFinding || in.Request != s.request {
		return
	}
	s.places, s.gateway, s.busy = in.Places, in.Gateway, in.Busy
	here := slices.ContainsFunc(m.list, (*rec).computing)
	s.places = slices.DeleteFunc(slices.Clone(s.places), func(p protocols.WorkAt) bool { return p.Holder == m.cfg.Self })
	if here { // what this node computes in another slot is split for this one, too
		s.places, s.busy = append(s.places, protocols.WorkAt{Holder: m.cfg.Self}), true
	}
	m.nextPlace()
}

// nextPlace asks the next place, then the gateway, then waits.
func (m *Machine) nextPlace() {
	s := &m.search
	m.timers.Clear(timerSearch)
	if m.free() <= 0 {
		s.stage = searchIdle
		return
	}
	for len(s.places) > 0 {
		p := s.places[0]
		s.places = s.places[1:]
		if m.avoid[p.Holder] > m.now {
			continue
		}
		s.stage, s.holder, s.request, s.since = searchAsking, p.Holder, m.name(), m.now
		m.timers.Set(timerSearch, m.in(m.cfg.OfferWait))
		m.report(Asked{Holder: p.Holder})
		m.send(p.Holder, p.Addrs, protocols.Request{Request: s.request, Apps: m.appNames(), Node: m.spec(), Prefer: p.WOB})
		return
	}
	if s.gateway {
		s.stage, s.since, s.gateway = searchGateway, m.now, false
		token := m.token()
		m.takes[token] = m.now
		m.timers.Set(timerSearch, m.in(gatewayWait))
		m.emit(TakeWork{Token: token, Apps: m.appNames()})
		return
	}
	m.nobody()
}

// eagerFor is the pause up to which an idle slot asks again though no work is known: the
// news that there is some may overtake the index that tells where.
const eagerFor = 800 * time.Millisecond

// nobody ends a search without success: the next one comes after a pause.
func (m *Machine) nobody() {
	s := &m.search
	s.stage = searchIdle
	if s.again {
		s.again = false
		s.pause = m.cfg.AskMin
		m.timers.Set(timerAsk, m.in(m.jitter(m.cfg.AskMin)))
		return
	}
	if !s.busy && s.pause >= eagerFor {
		s.pause = m.cfg.AskMax
	}
	m.timers.Set(timerAsk, m.in(m.jitter(s.pause)))
	s.pause = min(2*s.pause, m.cfg.AskMax)
}

// found ends a search with success.
func (m *Machine) found() {
	m.search.stage, m.search.pause = searchIdle, m.cfg.AskMin
	m.timers.Clear(timerSearch)
	m.timers.Clear(timerAsk)
}

// workloadRose makes idle slots ask at once.
func (m *Machine) workloadRose(WorkloadRose) {
	m.search.pause = m.cfg.AskMin
	m.search.again = m.search.stage != searchIdle
	m.timers.Clear(timerAsk)
	clear(m.avoid)
}

// spec tells askers' holders how fast this node is, as measured if it was.
func (m *Machine) spec() appapi.NodeSpec {
	spec := m.cfg.Spec
	spec.Peer = m.cfg.Self
	if v := m.speed[m.last]; v > 0 {
		spec.Speed = v
	}
	return spec
}

func (m *Machine) avoidNode(n wob.NodeID) {
	if len(m.avoid) < maxAvoided {
		m.avoid[n] = m.in(avoidFor)
	}
}

// offerIn takes the offer that was asked for; any other is declined.
func (m *Machine) offerIn(from wob.NodeID, o protocols.Offer) {
	s := &m.search
	take := s.stage == searchAsking && s.request == o.Request && s.holder == from && m.free() > 0
	if take {
		_, take = m.installed(o.App)
	}
	m.send(from, nil, protocols.OfferAck{Request: o.Request, Offer: o.Offer, Take: take})
	if !take {
		return
	}
	m.expected = append(m.expected, &expect{
		request: o.Request, offer: o.Offer, holder: from, since: s.since, until: m.in(m.expectWait()),
	})
	m.found()
}

func (m *Machine) noneIn(from wob.NodeID, n protocols.None) {
	s := &m.search
	if s.stage == searchAsking && s.request == n.Request && s.holder == from {
		m.report(Refused{Holder: from, Reason: n.Reason})
		if n.Reason != "busy" {
			m.avoidNode(from)
		}
		m.nextPlace()
		return
	}
	if m.unexpect(n.Request, from) != nil {
		m.report(Refused{Holder: from, Reason: n.Reason})
	}
}

// unexpect ends the wait for a WOB and returns it, nil if it was not waited for.
func (m *Machine) unexpect(request string, holder wob.NodeID) *expect {
	for i, e := range m.expected {
		if e.request == request && e.holder == holder {
			m.expected = slices.Delete(m.expected, i, i+1)
			return e
		}
	}
	return nil
}

// silent ends the wait for the place asked last.
func (m *Machine) silent() {
	switch m.search.stage {
	case searchAsking:
		m.report(Refused{Holder: m.search.holder, Reason: "no answer"})
		m.avoidNode(m.search.holder)
		m.nextPlace()
	case searchFinding, searchGateway:
		m.search.busy = true
		m.nobody()
	case searchIdle:
	}
}

// holderGone stops waiting for a node that is out of reach.
func (m *Machine) holderGone(n wob.NodeID) {
	if m.search.stage == searchAsking && m.search.holder == n {
		m.silent()
	}
	m.expected = slices.DeleteFunc(m.expected, func(e *expect) bool { return e.holder == n })
}

// gatewayWork takes a WOB that the gateway lends: this node holds it now.
func (m *Machine) gatewayWork(in GatewayWork) {
	since, ok := m.takes[in.Token]
	if !ok {
		return
	}
	delete(m.takes, in.Token)
	current := m.search.stage == searchGateway
	if in.WOB == nil || in.Err != "" {
		if current {
			m.nextPlace()
		}
		return
	}
	if current {
		m.found()
	}
	if err := sound(in.WOB); err != nil {
		m.reject("", "", "from the gateway: "+err.Error())
		return
	}
	w := in.WOB.Clone()
	w.Holder = m.cfg.Self
	if old := m.recs[w.ID]; old != nil {
		if !old.inc().Less(w.Incarnation()) || old.phase == finished {
			return
		}
		m.drop(old, "a newer incarnation exists", false)
	}
	// A WOB that was running when its last snapshot was taken was lost; one that was
	// handed back was packed first.
	lost := w.Epoch > 1 && w.State == wob.Running
	own := lost && w.Effort.Done() > 0
	if own {
		w.Stats.Add(wob.Stats{Recovered: 1})
	}
	if w.State == wob.Running {
		w.State = wob.Suspended
	}
	r := m.adopt(w, phaseOf(w.State))
	r.waited, r.confirmed = since, true
	if in.Lease > 0 {
		r.timers.Set(recLease, m.in(min(m.cfg.LeaseRenew, in.Lease/3)))
	}
	m.report(Received{WOB: w.ID, Effort: w.Effort})
	if lost {
		m.report(Recovered{WOB: w.ID, Inc: r.inc(), Effort: w.Effort, Own: own})
	}
	m.announce(r)
	m.startSave(r)
	m.resumed(r)
}

// resumed goes on with a record that arrived in whatever state.
func (m *Machine) resumed(r *rec) {
	if r.phase == finished && r.save == nil {
		m.deliverUp(r)
	}
	if m.leaving {
		return
	}
	if (r.phase == held || r.phase == waiting && r.hasMerges()) && !m.canRun(r.app()) {
		m.emit(WorkAvailable{WOB: r.id()})
	}
}
