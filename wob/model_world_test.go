package wob

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// items is a vector of counts, one for each item of the computation: what is open in
// a checkpoint, what is in a result, what a boundary spans.
type items [8]uint8

func (it items) raw() Raw {
	b := [len(it) + 2]byte{0: '"', len(it) + 1: '"'}
	for i, n := range it {
		b[i+1] = '0' + min(n, 9)
	}
	return Raw(b[:])
}

func itemsOf(r Raw) (it items) {
	if r == "" {
		return it
	}
	for i := range it {
		it[i] = r[i+1] - '0'
	}
	return it
}

func (it items) plus(o items) items {
	for i := range it {
		it[i] += o[i]
	}
	return it
}

func (it items) count() (n int) {
	for _, c := range it {
		n += int(c)
	}
	return n
}

// letter is a message under way.
type letter struct {
	kind string // dispatch, migrate, result, ack, refuse, moved
	to   ID     // the WOB it is for; any living copy of it may get it
	w    *WOB   // dispatch, migrate, result
	from Incarnation
}

// carries reports whether the letter holds a copy of the WOB that could live on.
func (l *letter) carries(id ID) bool { return l.w != nil && l.w.ID == id }

// living is one copy of a WOB on some node.
type living struct {
	w      *WOB
	stored *WOB        // the snapshot a crash of the application rolls back to
	unsent []letter    // goes out when the next snapshot is stored
	moving *WOB        // sent to another node: not computed here unless refused
	parent Incarnation // the newest incarnation of the parent it heard of
}

// model is the world of one history.
type model struct {
	variant
	rng     *rand.Rand
	root    ID
	copies  []*living
	mail    []letter
	ever    []*WOB      // every snapshot ever stored
	backups map[ID]*WOB // the newest of each WOB, for recovery
	epochs  map[ID]uint64
	reused  map[string]ID // with S1 off: parent.counter
	ids     int
	nodes   int
	done    bool
	wrong   bool
	seen    tally
	trace   []string
	tracing bool
}

func newModel(v variant, rng *rand.Rand, tracing bool) *model {
	m := &model{variant: v, rng: rng, tracing: tracing,
		backups: map[ID]*WOB{}, epochs: map[ID]uint64{}, reused: map[string]ID{}}
	m.root = m.newID()
	var all items
	for i := range v.items {
		all[i] = 1
	}
	total := float64(v.items)
	birth := &WOB{ID: m.root, App: "model", State: Created, Boundary: all.raw(), Checkpoint: all.raw(), Effort: Effort{total, total}}
	m.keep(birth)
	m.start(birth)
	return m
}

func (m *model) logf(format string, args ...any) {
	if m.tracing {
		m.trace = append(m.trace, fmt.Sprintf(format, args...))
	}
}

func must(err error) {
	if err != nil {
		panic(err) // a fault of the model, not of a history
	}
}

func (m *model) newID() ID {
	m.ids++
	const hex = "0123456789abcdef"
	id := []byte("00000000-0000-4000-8000-000000000000")
	for i, n := len(id)-1, m.ids; n > 0; i, n = i-1, n>>4 {
		id[i] = hex[n&15]
	}
	return ID(id)
}

func (m *model) newNode() NodeID {
	m.nodes++
	return NodeID(rune('A' + m.nodes%26))
}

// childID is the id of w's next child: fresh, or with S1 off parent.counter, which a
// copy recovered from an older backup gives again.
func (m *model) childID(w *WOB) ID {
	if !m.reuseIDs {
		return m.newID()
	}
	key := fmt.Sprint(w.ID, ".", w.Stats.Splits)
	if m.reused[key] == "" {
		m.reused[key] = m.newID()
	}
	return m.reused[key]
}

// snapshot is what storing or sending w keeps of it.
func (m *model) snapshot(w *WOB) *WOB {
	if !m.wire {
		return w.Clone()
	}
	b, err := w.Encode()
	must(err)
	s, err := Decode(b)
	must(err)
	return s
}

// keep stores a snapshot; the newest by stamp is what a recovery will find.
func (m *model) keep(s *WOB) {
	m.ever = append(m.ever, s)
	if b := m.backups[s.ID]; b == nil || b.Stamp().Less(s.Stamp()) {
		m.backups[s.ID] = s
	}
}

// start brings a snapshot to life as one more copy.
func (m *model) start(s *WOB) *living {
	w := m.snapshot(s)
	if w.State != Finished {
		must(w.MoveTo(Lost))
		must(w.MoveTo(Running))
	}
	m.epochs[w.ID] = max(m.epochs[w.ID], w.Epoch)
	c := &living{w: w, stored: s}
	m.copies = append(m.copies, c)
	return c
}

func (m *model) end(c *living) {
	m.copies = slices.DeleteFunc(m.copies, func(o *living) bool { return o == c })
}

// store takes a checkpoint. What waited for it goes out only now.
func (m *model) store(c *living) {
	c.w.Version++
	c.stored = m.snapshot(c.w)
	m.keep(c.stored)
	for _, l := range c.unsent {
		if l.kind == "dispatch" {
			m.keep(l.w) // the child's own birth WOB, version 0
		}
		m.send(l)
	}
	c.unsent = nil
	m.logf("store %s", show(c.w))
}

func (m *model) send(l letter) { m.mail = append(m.mail, l) }

// alive lists the copies of a WOB that take messages.
func (m *model) alive(id ID) (cs []*living) {
	for _, c := range m.copies {
		if c.w.ID == id && c.moving == nil {
			cs = append(cs, c)
		}
	}
	return cs
}

// compute does one item of the copy's own part.
func (m *model) compute(c *living) bool {
	open := itemsOf(c.w.Checkpoint)
	if c.w.State == Finished || c.moving != nil {
		return false
	}
	i := slices.IndexFunc(open[:], func(n uint8) bool { return n > 0 })
	if i < 0 {
		return false
	}
	must(c.w.MoveTo(Running))
	var one items
	one[i] = 1
	open[i]--
	c.w.Checkpoint, c.w.Result = open.raw(), itemsOf(c.w.Result).plus(one).raw()
	c.w.Effort.Remaining--
	m.logf("compute %s", show(c.w))
	return true
}

// split hands a part of what is open to a new child.
func (m *model) split(c *living) {
	open := itemsOf(c.w.Checkpoint)
	if c.w.State == Finished || c.moving != nil || open.count() == 0 {
		return
	}
	var part items
	give := 1 + m.rng.IntN(open.count())
	for i := len(open) - 1; i >= 0; i-- { // the upper items, like a range
		for open[i] > 0 && part.count() < give {
			part[i]++
			open[i]--
		}
	}
	n := float64(part.count())
	child := Child{ID: m.childID(c.w), Boundary: part.raw(), State: Created, Birth: part.raw(), Effort: Effort{n, n}}
	must(m.rules.addChild(c.w, child))
	born := c.w.Born(child)
	c.w.Checkpoint = open.raw()
	c.w.Effort.Remaining, c.w.Effort.Total = float64(open.count()), c.w.Effort.Total-float64(part.count())
	l := letter{kind: "dispatch", w: born}
	if m.hastySend {
		m.send(l)
	} else {
		c.unsent = append(c.unsent, l)
	}
	m.logf("split %s: child %s", show(c.w), show(born))
}

// finish ends the copy if S4 permits, or lets it wait; a finished one sends its
// result (again).
func (m *model) finish(c *living) {
	if c.moving != nil {
		return
	}
	done := itemsOf(c.w.Checkpoint).count() == 0
	switch {
	case c.w.State == Finished:
	case m.rules.complete(c.w, done):
		must(c.w.MoveTo(Finished))
		if c.w.Result != c.w.Boundary {
			m.seen[didBadFinish]++
		}
		m.store(c)
	case done && c.w.State == Running:
		must(c.w.MoveTo(Waiting))
		m.seen[didWait]++
		return
	default:
		return
	}
	m.send(letter{kind: "result", to: c.w.Parent, w: m.snapshot(c.w)})
	m.logf("result of %s", show(c.w))
}

// reclaim takes a child's part back (S5).
func (m *model) reclaim(c *living, child ID) {
	if c.w.State == Finished {
		return
	}
	born, err := m.rules.reclaim(c.w, child)
	if err != nil {
		return
	}
	c.w.Checkpoint = itemsOf(c.w.Checkpoint).plus(itemsOf(born.Birth)).raw()
	c.w.Effort.Total += born.Effort.Total
	c.w.Effort.Remaining += born.Effort.Remaining
	must(c.w.MoveTo(Running))
	m.seen[didReclaim]++
	m.logf("reclaim %s in %s", short(child), show(c.w))
}

// recover brings a WOB back from a snapshot as a new incarnation.
func (m *model) recover(s *WOB, epoch uint64) *living {
	w := s.Clone()
	w.Epoch, w.Moves, w.Holder = epoch, 0, m.newNode()
	c := m.start(w)
	m.logf("recover %s", show(c.w))
	return c
}

func short(id ID) string { return string(id[len(id)-3:]) }

// shown is a WOB that is put in words only when a history is traced.
type shown WOB

func show(w *WOB) *shown { return (*shown)(w) }

func (w *shown) String() string {
	s := fmt.Sprintf("%s@%d.%d%s v%d %s open %s has %s", short(w.ID), w.Epoch, w.Moves, w.Holder, w.Version, w.State, w.Checkpoint, w.Result)
	for _, c := range w.Children {
		s += fmt.Sprintf(" [%s %s %s]", short(c.ID), c.Boundary, c.State)
	}
	return s
}
