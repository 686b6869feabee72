package overlay

import (
	"math/rand/v2"
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Role is a node's place in the overlay.
type Role string

// Roles. A node that lost its supervisor joins again; it may still know its cluster.
const (
	Idling     Role = "idle" // not started, or left
	Joining    Role = "joining"
	Member     Role = "member"
	Supervisor Role = "supervisor"
)

// timer enumerates the machine's deadlines.
type timer int

const (
	timerJoin    timer = iota // an answer to Join or AskGateway is overdue
	timerRetry                // the whole join is repeated
	timerBeat                 // heartbeat, and the look for silent peers
	timerGrace                // a broken connection did not come back
	timerLook                 // the primary looks at the number of supervisors
	timerPrepare              // no majority so far
	timerStatus               // report to the gateway
	timerBehind               // the gateway knows a newer view that nobody showed
	timerFlush                // a batch of updates is due
	timerSync                 // ask for an index again
	timerServe                // the next part of an index that was asked for
	timerLost                 // members of a lost supervisor had time to come back
	timerExpire               // index entries are to be forgotten
	timerQuery                // an answer to a query or a search is overdue
	timerNotify               // a notification was held back
	timerLeave                // leaving takes no longer
	timerCount
)

// Machine is the topology machine of one node in one project. It is not safe for
// concurrent use: one goroutine steps it and carries out its effects.
type Machine struct {
	cfg    Config
	rng    *rand.Rand
	now    core.Time
	out    []Effect
	timers core.Timers

	role       Role
	view       protocols.View
	down       map[wob.NodeID]bool // supervisors of the view believed dead
	supervisor wob.NodeID          // whose member this node is; itself if it is one
	memberSeq  uint64              // rises with every attempt to attach
	idle       int
	workload   protocols.Workload
	peers      map[wob.NodeID]protocols.Hello // the connected ones
	grace      map[wob.NodeID]core.Time       // connections broken, until when they may come back
	heard      core.Time                      // member: the supervisor's last sign of life

	join    joining
	holds   holdings
	asked   asked
	sup     *supervising // nil unless a supervisor
	pubSeq  uint64       // last gossip sequence used
	leaving bool
	notify  wob.ID // work became available while nobody could be told
}

// New returns a machine that waits for Start. rng is its only source of chance.
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Addrs = usable(cfg.Addrs)
	first := cfg.Boot << 32
	m := &Machine{
		cfg: cfg, rng: rng, timers: core.NewTimers(int(timerCount)), role: Idling,
		down: map[wob.NodeID]bool{}, peers: map[wob.NodeID]protocols.Hello{}, grace: map[wob.NodeID]core.Time{},
		memberSeq: first, pubSeq: first,
	}
	m.holds = holdings{seq: first, own: map[wob.ID]protocols.Entry{}, pending: map[wob.ID]protocols.Entry{}}
	m.asked = asked{locate: map[string]*located{}, find: map[string]core.Time{}}
	return m, nil
}

// Step gives the machine an input at the instant now, which never goes back, and
// appends the effects it asks for to out. It never blocks and never panics on what a
// peer sent.
func (m *Machine) Step(now core.Time, in Input, out []Effect) []Effect {
	m.now, m.out = max(m.now, now), out
	m.input(in)
	m.fire()
	m.flush()
	out, m.out = m.out, nil
	return out
}

// Deadline returns when the machine wants to be woken; ok is false when it waits for
// inputs only.
func (m *Machine) Deadline() (at core.Time, ok bool) { return m.timers.Next() }

// fire runs the behaviours whose deadline has come, each at most once a step.
func (m *Machine) fire() {
	for i := range timerCount {
		if m.timers.Take(int(i), m.now) {
			alarms[i](m)
		}
	}
}

func (m *Machine) emit(e Effect)  { m.out = append(m.out, e) }
func (m *Machine) report(e Event) { m.emit(Report{e}) }

// send addresses a body as well as it can: a peer without a connection needs addresses.
func (m *Machine) send(to wob.NodeID, body protocols.Body) {
	m.emit(Send{To: to, Addrs: m.addrs(to), Body: body})
}

// addrs returns the best known addresses of a node, nil if a connection exists.
func (m *Machine) addrs(id wob.NodeID) []string {
	if _, up := m.peers[id]; up {
		return nil
	}
	return m.book(id)
}

func (m *Machine) book(id wob.NodeID) []string {
	if s := find(m.view.Supervisors, id); s != nil {
		return s.Addrs
	}
	if m.join.target.ID == id {
		return m.join.target.Addrs
	}
	if m.sup != nil {
		if member := m.sup.roster.Get(id); member != nil {
			return member.Addrs
		}
	}
	return m.peers[id].Addrs
}

// set arms t for the instant at; clear disarms it.
func (m *Machine) set(t timer, at core.Time) { m.timers.Set(int(t), at) }
func (m *Machine) clear(t timer)             { m.timers.Clear(int(t)) }

// sooner arms t for the instant at unless it is due earlier.
func (m *Machine) sooner(t timer, at core.Time) { m.set(t, min(at, m.timers[t])) }

// usable keeps the addresses that fit in a message: a host with many interfaces has
// more than anybody needs.
func usable(addrs []string) []string {
	const most, longest = 16, 256 // the bounds of every list of addresses, see protocols
	list := slices.DeleteFunc(slices.Clone(addrs), func(a string) bool { return a == "" || len(a) > longest })
	return list[:min(len(list), most)]
}

func find(list []protocols.Supervisor, id wob.NodeID) *protocols.Supervisor {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}
