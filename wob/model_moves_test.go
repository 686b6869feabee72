package wob

import "slices"

// adversary makes one random move: the computation's own steps, in any order and at
// any copy, and everything that can go wrong in between.
func (m *model) adversary() {
	var c *living
	if len(m.copies) > 0 {
		c = m.copies[m.rng.IntN(len(m.copies))]
	}
	switch p := m.rng.IntN(100); {
	case p < 30:
		m.deliverOne()
	case p < 32:
		m.lose()
	case p < 41:
		m.repeat()
	case p < 44:
		m.resurrect()
	case p < 45:
		m.loseBackups()
	case c == nil:
	case p < 53:
		m.compute(c)
	case p < 67:
		m.split(c)
	case p < 77:
		if c.moving == nil {
			m.store(c)
		}
	case p < 90:
		m.finish(c)
	case p < 92:
		m.crash(c)
	case p < 95:
		m.rollBack(c)
	case p < 96:
		m.migrate(c)
	case p < 98:
		m.suspect(c)
	default:
		m.forget(c)
	}
}

func (m *model) take(i int) letter {
	l := m.mail[i]
	last := len(m.mail) - 1
	m.mail[i] = m.mail[last]
	m.mail = m.mail[:last]
	return l
}

func (m *model) deliverOne() {
	if len(m.mail) > 0 {
		m.deliver(m.take(m.rng.IntN(len(m.mail))))
	}
}

func (m *model) lose() {
	if len(m.mail) > 0 {
		l := m.take(m.rng.IntN(len(m.mail)))
		m.seen[didLose]++
		m.logf("lose %s to %s", l.kind, l.to)
	}
}

func (m *model) repeat() {
	if len(m.mail) > 0 && len(m.mail) < 40 {
		l := m.mail[m.rng.IntN(len(m.mail))]
		m.send(l)
		m.seen[didRepeat]++
		m.logf("repeat %s", l.kind)
	}
}

// resurrect brings back any snapshot ever stored, however old, whoever else lives: as
// a recovery that several nodes may decide at once, or as a node that comes back with
// its disk and doesn't know better.
func (m *model) resurrect() {
	if len(m.copies) >= 12 {
		return
	}
	s := m.ever[m.rng.IntN(len(m.ever))]
	if len(m.alive(s.ID)) > 0 {
		m.seen[didTwin]++
	}
	switch m.rng.IntN(3) {
	case 0:
		m.recover(s, m.epochs[s.ID]+1)
	case 1:
		m.recover(s, s.Epoch+1)
	default:
		m.logf("back from disk: %s", show(m.start(s).w))
	}
}

// loseBackups loses all replicas of one WOB that is not the root, whose birth the
// gateway keeps.
func (m *model) loseBackups() {
	id := m.ever[m.rng.IntN(len(m.ever))].ID
	if id != m.root {
		delete(m.backups, id)
		m.logf("lose all backups of %s", short(id))
	}
}

func (m *model) crash(c *living) {
	m.end(c)
	m.seen[didCrash]++
	m.logf("crash %s", show(c.w))
}

// rollBack crashes the application: a new process gets the last stored snapshot,
// checkpoint and table together, and what was not yet sent is forgotten with it.
func (m *model) rollBack(c *living) {
	if c.moving != nil || c.stored.State == Suspended {
		return
	}
	if c.w.Result != c.stored.Result || len(c.w.Children) != len(c.stored.Children) {
		m.seen[didRollBack]++
	}
	w := m.snapshot(c.stored)
	w.Epoch, w.Moves, w.Holder = c.w.Epoch, c.w.Moves, c.w.Holder
	if w.State == Created {
		w.State = Running
	}
	if m.torn {
		w.Children = c.w.Children
	} else {
		c.unsent = nil
	}
	c.w = w
	m.logf("roll back to %s", show(c.w))
}

// migrate packs the WOB and sends it to another node. The intent is stored first.
func (m *model) migrate(c *living) {
	if c.moving != nil || c.w.State != Running {
		return
	}
	must(c.w.MoveTo(Suspended))
	m.store(c)
	to := m.snapshot(c.w)
	to.Moves++
	to.Holder = m.newNode()
	to.Stats.Add(Stats{Moves: 1})
	c.moving = to
	m.send(letter{kind: "migrate", w: to})
	m.seen[didMove]++
	m.logf("migrate %s", show(to))
}

// suspect lets a parent believe, rightly or not, that a child is lost for ever, or
// just tells it some news of a child: the state in an entry is a hint.
func (m *model) suspect(c *living) {
	if len(c.w.Children) == 0 || c.moving != nil {
		return
	}
	e := &c.w.Children[m.rng.IntN(len(c.w.Children))]
	if m.rng.IntN(2) == 0 {
		m.reclaim(c, e.ID)
	} else if e.State != Merged {
		e.State = []State{Running, Waiting, Finished, Lost, Failed}[m.rng.IntN(5)]
		m.logf("news in %s", show(c.w))
	}
}

func (m *model) forget(c *living) {
	if c.moving == nil && c.w.Forget(m.rng.IntN(2)) > 0 {
		m.seen[didForget]++
		m.logf("forget %s", show(c.w))
	}
}

// deliver hands a letter to some living copy of the WOB it is for.
func (m *model) deliver(l letter) {
	switch l.kind {
	case "dispatch":
		c := m.start(l.w)
		c.w.Holder = m.newNode()
		m.logf("arrived: %s", show(c.w))
		return
	case "migrate":
		m.arrive(l.w)
		return
	case "moved":
		for _, c := range m.copies {
			if c.moving != nil && c.w.ID == l.to && c.moving.Incarnation() == l.from {
				m.end(c)
				m.logf("moved away: %s", show(c.w))
				return
			}
		}
		return
	}
	if l.kind == "result" && l.to == "" {
		m.gateway(l.w)
		return
	}
	cs := m.alive(l.to)
	if len(cs) == 0 {
		return // nobody there: the sender will try again
	}
	c := cs[m.rng.IntN(len(cs))]
	if l.kind == "result" {
		m.receive(c, l.w)
		return
	}
	m.answered(c, l)
}

// arrive takes a migrated WOB over; a repeated transfer is only acknowledged.
func (m *model) arrive(w *WOB) {
	here := slices.ContainsFunc(m.copies, func(c *living) bool {
		return c.w.ID == w.ID && c.w.Incarnation() == w.Incarnation()
	})
	if !here {
		m.logf("took over %s", show(m.start(w).w))
	}
	m.send(letter{kind: "moved", to: w.ID, from: w.Incarnation()})
}

// receive is a parent's side of a result: S2 and S3.
func (m *model) receive(p *living, child *WOB) {
	v := m.rules.admitResult(p.w, child)
	m.logf("%s: result of %s %s", show(p.w), short(child.ID), v)
	ack := letter{kind: "ack", to: child.ID, from: p.w.Incarnation()}
	switch v {
	case Unknown:
		m.seen[didRefuse]++
		ack.kind = "refuse"
		m.send(ack)
		return
	case AlreadyMerged:
		m.seen[didAgain]++
	case Merge:
		m.seen[didMerge]++
		must(m.rules.mergeChild(p.w, child.ID, child.Stats, child.Failures...))
		p.w.Result = itemsOf(p.w.Result).plus(itemsOf(child.Result)).raw()
	}
	// Acknowledged when a snapshot with the merge in it is stored, also when the
	// result came twice before that.
	if e := p.stored.Lookup(child.ID); m.hastyAck || v == AlreadyMerged && e != nil && e.State == Merged {
		m.send(ack)
	} else {
		p.unsent = append(p.unsent, ack)
	}
}

// answered is a child's side: merged or refused, it is over, and so are its backups.
// A refusal counts only from a parent as new as the newest heard of.
func (m *model) answered(c *living, l letter) {
	if l.kind == "refuse" && l.from.Less(c.parent) {
		m.logf("%s ignores an old refusal", show(c.w))
		return
	}
	if c.parent.Less(l.from) {
		c.parent = l.from
	}
	m.end(c)
	delete(m.backups, c.w.ID)
	m.logf("%s: %s", l.kind, show(c.w))
}

// gateway is the root's parent: it takes the first result.
func (m *model) gateway(root *WOB) {
	m.done = true
	m.wrong = root.Result != root.Boundary
	m.logf("root result %s", show(root))
}
