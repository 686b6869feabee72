package overlay

import (
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// The join (paper, section 3.3): ask the gateway, try the supervisors of its clusters
// in turn, fall back on the last cluster when the gateway is away, and begin again
// after a pause. Only the holder of the gateway's lease founds a cluster, never a node
// behind NAT, and only after a look at its last cluster: that may live on unknown to the
// gateway.

type joining struct {
	asking    bool                   // the gateway has not answered yet
	inCluster bool                   // only supervisors of the known cluster are tried
	queue     []protocols.Supervisor // still to be tried
	tried     map[wob.NodeID]bool
	target    protocols.Supervisor // whose answer is awaited; ID empty if nobody's
	pauses    int                  // taken since the last success
	previous  protocols.View
	looked    bool // the previous cluster was tried since the node had to join
}

// maxTried and maxQueue bound one round: refusals may name ever more supervisors. maxLook
// is how many of its last cluster a founder tries: the lease does not wait for all of a
// large cluster that is dead.
const (
	maxTried = 256
	maxQueue = 4096
	maxLook  = 3
)

var (
	_ = on((*Machine).onStart)
	_ = on((*Machine).onGatewayClusters)
	_ = alarm(timerJoin, (*Machine).joinOverdue)
	_ = alarm(timerRetry, (*Machine).askGateway)
)

func (m *Machine) onStart(in Start) {
	if m.role != Idling {
		return
	}
	m.role, m.leaving = Joining, false
	m.join = joining{previous: in.Previous}
	m.askGateway()
}

// rejoin begins the whole join anew. Where the last cluster was is kept in mind, but not
// its view as the newest: that may have died with its supervisors, and whoever serves the
// cluster by the gateway's word must not be refused for it.
func (m *Machine) rejoin() {
	m.role, m.supervisor = Joining, ""
	m.join = joining{previous: m.view, pauses: m.join.pauses, looked: m.join.inCluster}
	m.view, m.down = protocols.View{}, map[wob.NodeID]bool{}
	m.clear(timerBeat)
	m.askGateway()
}

func (m *Machine) askGateway() {
	m.join.asking, m.join.inCluster = true, false
	m.join.queue, m.join.tried = nil, map[wob.NodeID]bool{}
	m.join.target = protocols.Supervisor{}
	m.emit(AskGateway{})
	m.set(timerJoin, m.now.Add(4*m.cfg.JoinTimeout)) // should the answer itself be lost
}

func (m *Machine) onGatewayClusters(in GatewayClusters) {
	if m.role != Joining || !m.join.asking {
		return
	}
	m.join.asking = false
	m.clear(timerJoin)
	switch {
	case in.Err != "":
		m.join.queue = m.shuffled(m.join.previous.Supervisors)
	case in.Answer == "list":
		for _, c := range in.Clusters {
			m.join.queue = append(m.join.queue, m.shuffled(c.Supervisors)...)
		}
	case in.Answer == "found" && m.cfg.Public && (m.join.looked || !m.others(m.join.previous)):
		m.found(in.Lease)
		return
	case in.Answer == "found":
		m.join.looked = true
		m.join.queue = m.shuffled(m.join.previous.Supervisors)
		m.join.queue = m.join.queue[:min(len(m.join.queue), maxLook)]
	default: // wait
		m.set(timerRetry, m.now.Add(m.jitter(max(in.Retry, m.cfg.RetryMin))))
		return
	}
	m.tryNext()
}

// others reports whether a view names anybody but this node.
func (m *Machine) others(v protocols.View) bool {
	return slices.ContainsFunc(v.Supervisors, func(s protocols.Supervisor) bool { return s.ID != m.cfg.Self })
}

// shuffled spreads the joins of many nodes over a cluster's supervisors.
func (m *Machine) shuffled(list []protocols.Supervisor) []protocols.Supervisor {
	list = slices.Clone(list)
	m.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (m *Machine) joinOverdue() {
	switch {
	case m.role != Joining:
	case m.join.asking:
		m.onGatewayClusters(GatewayClusters{Err: "no answer"})
	default:
		m.tryNext()
	}
}

// tryNext asks the next supervisor to accept this node; each attempt has a higher
// member sequence, so that late answers are told apart.
func (m *Machine) tryNext() {
	j := &m.join
	for len(j.queue) > 0 && len(j.tried) < maxTried {
		s := j.queue[0]
		j.queue = j.queue[1:]
		if s.ID == m.cfg.Self || j.tried[s.ID] {
			continue
		}
		j.tried[s.ID] = true
		j.target = s
		m.memberSeq++
		m.send(s.ID, m.joinBody())
		m.set(timerJoin, m.now.Add(m.cfg.JoinTimeout))
		return
	}
	j.target = protocols.Supervisor{}
	m.clear(timerJoin)
	if j.inCluster {
		m.report(Isolated{Cluster: m.view.Cluster})
		m.rejoin()
		return
	}
	pause := m.cfg.RetryMax
	if j.pauses < 16 {
		pause = min(m.cfg.RetryMin<<j.pauses, m.cfg.RetryMax)
	}
	j.pauses++
	m.set(timerRetry, m.now.Add(m.jitter(pause)))
}

func (m *Machine) joinBody() protocols.Join {
	return protocols.Join{
		MemberSeq: m.memberSeq, Capacity: m.cfg.Capacity, Public: m.cfg.Public, Idle: m.idle,
		WOBs: m.everything(), WOBSeq: m.holds.updateSeq,
	}
}

// jitter spreads d by a quarter up and down.
func (m *Machine) jitter(d time.Duration) time.Duration {
	return d - d/4 + time.Duration(m.rng.Int64N(int64(d/2)+1))
}

func timeFactor(n int) time.Duration { return time.Duration(n) }
