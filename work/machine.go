package work

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Machine holds the WOBs of one node in one project and decides what happens to them.
// It does no I/O: its driver feeds Step and carries out the effects in order. One
// goroutine only.
type Machine struct {
	cfg    Config
	rng    *rand.Rand
	now    core.Time
	out    []Effect
	timers core.Timers
	seq    uint64 // tokens, request and offer ids: never repeated by this node

	recs map[wob.ID]*rec
	list []*rec // the same, in the order of their arrival: what is iterated
	over memory // what was held here and is over, for late duplicates

	// The cluster, as the overlay sees it.
	live       []wob.NodeID
	joined     bool
	supervisor bool

	// Processes; the last one is outside the slots and only merges.
	apps    []App
	procs   []*proc
	resting map[string]*rest   // applications that do not come up, by name
	speed   map[string]float64 // effort per second of computing, by application
	last    string             // the application used last

	search    search
	expected  []*expect
	avoid     map[wob.NodeID]core.Time
	idle      int // what Idle told last
	offers    map[string]*offer
	queued    int // requests kept waiting
	transfers map[wob.ID]*transfer

	// Continuations of effects that are answered with a token.
	onStored  map[uint64]func(Stored)
	onLoaded  map[uint64]func(Loaded)
	onLocated map[uint64]located
	onGateway map[uint64]func(GatewayAnswer)
	takes     map[uint64]core.Time // TakeWork: since when
	backups   map[uint64]*copying
	waits     map[uint64]*wait
	finds     map[uint64]*backupSearch

	paused, leaving, left bool
	kept                  int
}

// The machine's own timers.
const (
	timerAsk    = iota // ask for work again
	timerSearch        // the place asked last does not answer
	timerAux           // the process outside the slots has been idle
	timerLeave         // the grace is over
	timerBoot          // held WOBs were not confirmed in time
	timers
)

// auxIdle is how long the process outside the slots is kept for the next merge.
const auxIdle = 30 * time.Second

// New returns a machine for the node that cfg describes. Randomness (jitter, order of
// equals) comes from rng alone. Errors wrap ErrConfig.
func New(cfg Config, rng *rand.Rand) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg: cfg, rng: rng, timers: core.NewTimers(timers),
		seq:       cfg.Boot << 32, // late answers to an earlier life match nothing
		recs:      map[wob.ID]*rec{},
		resting:   map[string]*rest{},
		speed:     map[string]float64{},
		avoid:     map[wob.NodeID]core.Time{},
		offers:    map[string]*offer{},
		transfers: map[wob.ID]*transfer{},
		onStored:  map[uint64]func(Stored){},
		onLoaded:  map[uint64]func(Loaded){},
		onLocated: map[uint64]located{},
		onGateway: map[uint64]func(GatewayAnswer){},
		takes:     map[uint64]core.Time{},
		backups:   map[uint64]*copying{},
		waits:     map[uint64]*wait{},
		finds:     map[uint64]*backupSearch{},
		idle:      -1,
	}
	m.search.pause = cfg.AskMin
	if cfg.Slots > 0 {
		for n := range cfg.Slots + 1 {
			m.procs = append(m.procs, &proc{n: n})
		}
	}
	return m, nil
}

// Step tells the machine an input and appends its effects to out. now never goes
// backwards; if it does, time stands still instead.
func (m *Machine) Step(now core.Time, in Input, out []Effect) []Effect {
	m.now, m.out = max(m.now, now), out
	if handle := inputs[reflect.TypeOf(in)]; handle != nil && !m.left {
		handle(m, in)
	}
	if !m.left {
		m.due()
		m.schedule()
		m.depart()
	}
	out, m.out = m.out, nil
	return out
}

// inputs holds the handler of each type of input; the file of a behaviour enters its own.
var inputs = map[reflect.Type]func(*Machine, Input){}

func onInput[T Input](handle func(*Machine, T)) struct{} {
	inputs[reflect.TypeFor[T]()] = func(m *Machine, in Input) { handle(m, in.(T)) }
	return struct{}{}
}

// messages holds the handler of each kind of message that this machine receives.
var messages = map[protocols.Kind]func(*Machine, protocols.Message){}

func onMessage[T protocols.Body](handle func(*Machine, wob.NodeID, T)) struct{} {
	var zero T
	messages[zero.Kind()] = func(m *Machine, msg protocols.Message) {
		body, ok := msg.Body.(T)
		if !ok {
			m.reject(msg.From, msg.Body.Kind(), "another type than its kind says")
			return
		}
		handle(m, msg.From, body)
	}
	return struct{}{}
}

var (
	_ = onInput((*Machine).receive)
	_ = onInput(func(*Machine, Wake) {})
)

// receive checks a message before anybody looks at it.
func (m *Machine) receive(in Receive) {
	if in.Msg.Body == nil {
		m.reject(in.Msg.From, "", "no body")
		return
	}
	kind := in.Msg.Body.Kind()
	handle := messages[kind]
	switch {
	case handle == nil:
		m.reject(in.Msg.From, kind, "not a message for this machine")
	case in.Msg.From == "":
		m.reject(in.Msg.From, kind, "no sender")
	default:
		if err := in.Msg.Body.Validate(); err != nil {
			m.reject(in.Msg.From, kind, err.Error())
			return
		}
		handle(m, in.Msg)
	}
}

// sound refuses a WOB that is not valid, or that says it is finished while children are
// out (S4).
func sound(w *wob.WOB) error {
	if err := w.Validate(); err != nil {
		return err
	}
	if w.State == wob.Finished && !w.Complete(true) {
		return fmt.Errorf("%w: %s has %d children out", errUnfinished, w.ID, len(w.Out()))
	}
	return nil
}

var errUnfinished = errors.New("work: finished with children out")

func (m *Machine) emit(e Effect)                { m.out = append(m.out, e) }
func (m *Machine) report(e Event)               { m.emit(Report{e}) }
func (m *Machine) token() uint64                { m.seq++; return m.seq }
func (m *Machine) name() string                 { return strconv.FormatUint(m.token(), 36) }
func (m *Machine) in(d time.Duration) core.Time { return m.now.Add(d) }

func (m *Machine) send(to wob.NodeID, addrs []string, body protocols.Body) {
	if to != "" {
		m.emit(Send{To: to, Addrs: addrs, Body: body})
	}
}

func (m *Machine) reject(from wob.NodeID, kind protocols.Kind, reason string) {
	m.report(Rejected{From: from, Kind: kind, Reason: reason})
}

// jitter returns a duration around d, so that nodes started together do not stay together.
func (m *Machine) jitter(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d*9/10 + time.Duration(m.rng.Int64N(int64(d/5)))
}

// memory remembers a bounded number of ids: the newest.
type memory struct {
	at   map[wob.ID]protocols.Entry
	ring []wob.ID
	next int
}

const remembered = 4096

func (o *memory) add(e protocols.Entry) {
	if o.at == nil {
		o.at = map[wob.ID]protocols.Entry{}
	}
	if _, ok := o.at[e.ID]; !ok {
		if len(o.ring) < remembered {
			o.ring = append(o.ring, e.ID)
		} else {
			delete(o.at, o.ring[o.next])
			o.ring[o.next] = e.ID
			o.next = (o.next + 1) % remembered
		}
	}
	o.at[e.ID] = e
}

func (o *memory) get(id wob.ID) (protocols.Entry, bool) { e, ok := o.at[id]; return e, ok }
