package overlay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Where work can be had: the supervisor answers from its index, the WOB first that has
// the most time left. Nodes that ask at the same time are sent to different places.

var (
	_ = on((*Machine).onFind)
	_ = handle((*Machine).onFindWork)
	_ = handle((*Machine).onWorkIs)
)

const (
	maxPlaces    = 8
	toldFor      = time.Second      // how long a place named first counts as taken
	gatewayEvery = 2 * time.Second  // between two askers sent to the gateway, after its level rose
	gatewayEager = 10 * time.Second // for so long after the rise
	gatewayIdle  = 10 * time.Second // and between two later: leases expire there unseen
)

// gateTold remembers when an asker was sent to the gateway last.
type gateTold struct {
	told, rose core.Time
	any        bool // told is set
}

func (m *Machine) onFind(in Find) {
	if m.sup != nil {
		places, gateway := m.places(in.Apps, m.cfg.Self, in.Avoid), m.gatewayToo()
		m.report(WorkAt{Request: in.Request, Places: places, Gateway: gateway, Busy: m.sup.index.Busy() > 0})
		return
	}
	if m.role != Member || len(m.asked.find) >= maxAsked {
		m.noWorkKnown(in.Request)
		return
	}
	until := m.now.Add(m.cfg.QueryWait)
	m.asked.find[in.Request] = until
	m.sooner(timerQuery, until)
	m.send(m.supervisor, protocols.FindWork{Request: in.Request, Apps: first(in.Apps), Slots: in.Slots,
		Avoid: first(in.Avoid), Workload: m.workload})
}

// first copies as much of a list as CL_FIND_WORK has room for.
func first[T any](list []T) []T { return slices.Clone(list[:min(len(list), 256)]) }

// noWorkKnown answers a search that nobody answered: ask again soon.
func (m *Machine) noWorkKnown(request string) {
	delete(m.asked.find, request)
	m.report(WorkAt{Request: request, Busy: true})
}

func (m *Machine) onFindWork(from wob.NodeID, f protocols.FindWork) {
	if m.sup == nil {
		m.reject(from, f.Kind(), "not a supervisor")
		return
	}
	m.spread(f.Workload)
	places := m.places(f.Apps, from, f.Avoid)
	m.send(from, protocols.WorkIs{Request: f.Request, Places: places, Gateway: m.gatewayToo(),
		Busy: m.sup.index.Busy() > 0, Workload: m.workload})
}

func (m *Machine) onWorkIs(from wob.NodeID, w protocols.WorkIs) {
	if _, ok := m.asked.find[w.Request]; !ok || from != m.supervisor {
		return
	}
	delete(m.asked.find, w.Request)
	m.raise(w.Workload)
	m.report(WorkAt{Request: w.Request, Places: w.Places, Gateway: w.Gateway, Busy: w.Busy})
}

type place struct {
	left  float64 // seconds of work, shared with those sent there just now
	entry *protocols.Entry
}

// better orders places by what is left, then by ID.
func better(a, b place) int {
	return cmp.Or(cmp.Compare(b.left, a.left), cmp.Compare(a.entry.ID, b.entry.ID))
}

// places returns where the asker may get work, best first.
func (m *Machine) places(apps []string, asker wob.NodeID, avoid []wob.NodeID) []protocols.WorkAt {
	can := make(map[string]bool, len(apps))
	for _, a := range apps {
		can[appName(a)] = true
	}
	shun := map[wob.NodeID]bool{asker: true}
	for _, id := range avoid {
		shun[id] = true
	}
	m.forgetTold()
	best := make([]place, 0, maxPlaces+1)
	m.sup.index.EachWork(func(e *protocols.Entry) {
		if !can[appName(e.App)] || shun[e.Inc.Holder] {
			return
		}
		p := place{left: e.Remaining / float64(1+len(m.sup.told[e.ID])), entry: e}
		if e.Speed > 0 {
			p.left /= e.Speed
		}
		at, _ := slices.BinarySearchFunc(best, p, better)
		if at == maxPlaces {
			return
		}
		best = slices.Insert(best, at, p)
		best = best[:min(len(best), maxPlaces)]
	})
	if len(best) == 0 {
		return nil
	}
	first := best[0].entry.ID
	m.sup.told[first] = append(m.sup.told[first], m.now)
	list := make([]protocols.WorkAt, len(best))
	for i, p := range best {
		list[i] = protocols.WorkAt{Holder: p.entry.Inc.Holder, Addrs: p.entry.Addrs, WOB: p.entry.ID, Remaining: p.entry.Remaining}
	}
	return list
}

func (m *Machine) forgetTold() {
	for id, times := range m.sup.told {
		times = slices.DeleteFunc(times, func(t core.Time) bool { return m.now.Sub(t) >= toldFor })
		if len(times) == 0 {
			delete(m.sup.told, id)
		} else {
			m.sup.told[id] = times
		}
	}
}

func appName(app string) string {
	name, _, _ := strings.Cut(app, "@")
	return name
}

// gatewayToo says whether this asker should try the gateway: some do while its level is
// news, and now and then one does later, but never all of them at once.
func (m *Machine) gatewayToo() bool {
	g := &m.sup.gateway
	every := gatewayIdle
	if m.now.Sub(g.rose) < gatewayEager || m.sup.index.LostRoots() > 0 {
		every = gatewayEvery
	}
	if g.any && g.told >= g.rose && m.now.Sub(g.told) < every {
		return false
	}
	g.told, g.any = m.now, true
	return true
}
