package overlay

import (
	"maps"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Location queries (paper, section 3.1.1: only supervisors are searched). "Absent" is
// said only by a supervisor whose index is complete; all else is "unknown".

var (
	_ = on((*Machine).onLocate)
	_ = handle((*Machine).onQuery)
	_ = handle((*Machine).onAnswer)
	_ = alarm(timerQuery, (*Machine).overdue)
)

// maxAsked bounds the questions under way.
const maxAsked = 4096

// asked are this node's questions that wait for answers.
type asked struct {
	locate map[string]*located
	find   map[string]core.Time // searches for work, by request
}

type located struct {
	token  uint64
	wob    wob.ID
	peer   wob.NodeID // asked last
	second bool       // the second supervisor is being asked
	until  core.Time
}

func (m *Machine) onLocate(in Locate) {
	e, answer := m.Lookup(in.WOB)
	if !in.WOB.Valid() {
		answer = protocols.Absent // no WOB can have this name
	}
	if answer != protocols.Unknown {
		m.report(Located{Token: in.Token, WOB: in.WOB, Answer: answer, Entry: e})
		return
	}
	q := &located{token: in.Token, wob: in.WOB, second: m.sup != nil}
	peer := m.supervisor
	if peer == "" || peer == m.cfg.Self {
		peer = m.another("")
	}
	if len(m.asked.locate) >= maxAsked {
		peer = ""
	}
	m.askWhere(m.cfg.NewID(), q, peer)
}

// askWhere puts q to a supervisor, or gives up when there is none.
func (m *Machine) askWhere(id string, q *located, peer wob.NodeID) {
	if peer == "" {
		delete(m.asked.locate, id)
		m.report(Located{Token: q.token, WOB: q.wob, Answer: protocols.Unknown})
		return
	}
	q.peer, q.until = peer, m.now.Add(m.cfg.QueryWait)
	m.asked.locate[id] = q
	m.sooner(timerQuery, q.until)
	m.send(peer, protocols.Query{Query: id, WOB: q.wob})
}

// another chooses a live supervisor other than this node and the one asked before.
func (m *Machine) another(but wob.NodeID) wob.NodeID {
	list := slices.DeleteFunc(m.live(), func(id wob.NodeID) bool { return id == but || id == m.cfg.Self })
	if len(list) == 0 {
		return ""
	}
	return list[m.rng.IntN(len(list))]
}

func (m *Machine) onQuery(from wob.NodeID, q protocols.Query) {
	answer := protocols.AnswerIs{Query: q.Query, WOB: q.WOB}
	e, a := m.Lookup(q.WOB)
	answer.Answer = a
	if a == protocols.Found || e.Gone {
		answer.Entry = &e
	}
	m.send(from, answer)
}

// Lookup answers from what this node knows itself; the entry is that of a found WOB or
// its tombstone.
func (m *Machine) Lookup(id wob.ID) (protocols.Entry, protocols.Answer) {
	if e, ok := m.holds.own[id]; ok {
		return e, protocols.Found
	}
	if m.sup == nil {
		return protocols.Entry{}, protocols.Unknown
	}
	e, ok := m.sup.index.Get(id)
	switch {
	case ok && e.Gone:
		return e, protocols.Absent
	case ok:
		return e, protocols.Found
	case m.complete():
		return e, protocols.Absent
	}
	return e, protocols.Unknown
}

func (m *Machine) onAnswer(from wob.NodeID, a protocols.AnswerIs) {
	q := m.asked.locate[a.Query]
	if q == nil || q.peer != from || q.wob != a.WOB {
		return
	}
	bad := a.Answer == protocols.Found && a.Entry == nil || a.Entry != nil && a.Entry.ID != q.wob
	if bad || a.Answer == protocols.Unknown {
		m.tryAnother(a.Query, q)
		return
	}
	delete(m.asked.locate, a.Query)
	answer := Located{Token: q.token, WOB: q.wob, Answer: a.Answer}
	if a.Entry != nil {
		answer.Entry = *a.Entry
	}
	m.report(answer)
}

// tryAnother asks a second supervisor, once.
func (m *Machine) tryAnother(id string, q *located) {
	peer := wob.NodeID("")
	if !q.second {
		q.second, peer = true, m.another(q.peer)
	}
	m.askWhere(id, q, peer)
}

func (m *Machine) overdue() {
	for _, id := range slices.Sorted(maps.Keys(m.asked.locate)) {
		if q := m.asked.locate[id]; q.until <= m.now {
			m.tryAnother(id, q)
		}
	}
	next := core.Never
	for _, q := range m.asked.locate {
		next = min(next, q.until)
	}
	for _, request := range slices.Sorted(maps.Keys(m.asked.find)) {
		if until := m.asked.find[request]; until > m.now {
			next = min(next, until)
			continue
		}
		m.noWorkKnown(request)
	}
	m.set(timerQuery, next)
}

// dropAsked answers all questions when the node leaves.
func (m *Machine) dropAsked() {
	for _, id := range slices.Sorted(maps.Keys(m.asked.locate)) {
		m.askWhere(id, m.asked.locate[id], "")
	}
	for _, request := range slices.Sorted(maps.Keys(m.asked.find)) {
		m.noWorkKnown(request)
	}
}
