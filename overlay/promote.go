package overlay

import (
	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/overlay/index"
	"github.com/wobcompute/wobcompute/overlay/roster"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Becoming a supervisor, by founding a cluster or by election, and ceasing to be one.

// supervising is what only a supervisor keeps.
type supervising struct {
	roster     *roster.Roster
	index      *index.Index
	colleagues map[wob.NodeID]*colleague // the other supervisors of the view
	publish    gossiping                 // waits for the next publication
	completeAt core.Time                 // members had time to announce all they hold
	lostAt     core.Time                 // when a supervisor was lost last, 0 if never
	lost       map[wob.NodeID]core.Time  // supervisors removed: when their members count as lost
	sync       syncing
	commit     committing
	status     reporting
	push       pushing
	goodbye    bool // told the others that it leaves
	gateway    gateTold
	told       map[wob.ID][]core.Time // places named to askers just now
}

// colleague is another supervisor of the view.
type colleague struct {
	heard     core.Time
	idle      int
	members   int
	best      []protocols.Supervisor // its members that may be elected
	applied   uint64                 // last gossip sequence applied, 0 if none
	differing int                    // beats in a row with another digest
	patience  int                    // that many of them ask for its index
}

// found makes this node a supervisor without others, under the gateway's lease: of its last
// cluster, under the next epoch, or of a new one if it never was in any. Should the last
// cluster live on unknown to the gateway after all, the compare-and-swap on the epoch
// leaves one of the two; of two clusters it would know nothing.
func (m *Machine) found(lease string) {
	id, last := m.join.previous.Cluster, m.join.previous.Epoch
	if id == "" || last >= 1<<63 { // no epochs left
		id, last = protocols.ClusterID(m.cfg.NewID()), 0
	}
	m.workload.Cluster = 0
	m.down = map[wob.NodeID]bool{}
	m.view = protocols.View{}
	self := supervisorOf(m.cfg.Self, m.cfg.Addrs, m.cfg.Capacity, m.cfg.Bandwidth)
	m.adopt(protocols.View{Cluster: id, Epoch: last + 1, Supervisors: []protocols.Supervisor{self}})
	m.sup.sync.done = true
	m.sup.status.lease = lease
	m.set(timerStatus, m.now) // a lease runs out if nobody reports
}

// serve turns this node into a supervisor of its view.
func (m *Machine) serve() {
	m.role, m.supervisor = Supervisor, m.cfg.Self
	m.join = joining{}
	m.clear(timerJoin)
	m.clear(timerRetry)
	m.grace = map[wob.NodeID]core.Time{}
	m.sup = &supervising{
		roster: roster.New(), index: index.New(m.cfg.MaxEntries), colleagues: map[wob.NodeID]*colleague{},
		lost: map[wob.NodeID]core.Time{}, told: map[wob.ID][]core.Time{}, completeAt: m.now.Add(3 * m.cfg.Heartbeat),
	}
	m.sup.sync = syncing{want: map[wob.NodeID]bool{}, serving: map[wob.NodeID][]wob.ID{}}
	m.emit(Subscribe{Cluster: m.view.Cluster})
	m.report(Joined{Cluster: m.view.Cluster, Supervisor: m.cfg.Self})
	m.set(timerBeat, m.now)
	m.set(timerLook, m.now.Add(m.cfg.ElectEvery))
	m.set(timerSync, m.now)
	m.replaceHeld(m.cfg.Self, m.everything())
	m.holds.clear()
}

// resign makes a supervisor a plain node again and sends its members elsewhere.
func (m *Machine) resign(reason string) {
	if m.sup == nil {
		return
	}
	for _, id := range m.sup.roster.IDs() {
		m.send(id, protocols.ViewIs{View: m.view, Workload: m.workload})
		m.send(id, protocols.Leave{MemberSeq: m.sup.roster.Get(id).Seq, Reason: reason})
	}
	for _, t := range []timer{timerBeat, timerLook, timerPrepare, timerStatus, timerBehind, timerSync, timerServe,
		timerLost, timerExpire, timerNotify, timerGrace} {
		m.clear(t)
	}
	m.emit(Unsubscribe{Cluster: m.view.Cluster})
	m.sup, m.supervisor = nil, ""
	m.grace = map[wob.NodeID]core.Time{}
}
