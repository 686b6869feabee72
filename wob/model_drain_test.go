package wob

import "slices"

// fairRound is one round of a network that loses nothing any more, though it still
// repeats and delays, with the rules that bring a computation to its end: send again,
// recover, reclaim.
func (m *model) fairRound() {
	letters := m.mail
	m.mail = nil
	m.rng.Shuffle(len(letters), func(i, j int) { letters[i], letters[j] = letters[j], letters[i] })
	for _, l := range letters {
		m.deliver(l)
		if m.done {
			return
		}
		if m.rng.IntN(3) == 0 {
			m.send(l)
		}
	}
	for _, c := range slices.Clone(m.copies) {
		if c.moving != nil {
			m.send(letter{kind: "migrate", w: c.moving})
			continue
		}
		for m.rng.IntN(4) > 0 && m.compute(c) {
		}
		if len(c.unsent) > 0 && m.rng.IntN(2) == 0 {
			m.store(c)
		}
		if m.rng.IntN(8) == 0 {
			m.forget(c)
		}
		m.finish(c)
	}
	if m.lost(m.root) {
		m.seen[didRecover]++
		m.recover(m.backups[m.root], m.epochs[m.root]+1)
	}
	for _, c := range slices.Clone(m.copies) {
		if c.moving == nil {
			m.superviseChildren(c)
		}
	}
}

// superviseChildren recovers lost children from their newest backup, and takes back
// those that have none.
func (m *model) superviseChildren(c *living) {
	for _, child := range c.w.Out() {
		if !m.lost(child) || slices.ContainsFunc(c.unsent, func(l letter) bool { return l.carries(child) }) {
			continue
		}
		if b := m.backups[child]; b != nil {
			m.seen[didRecover]++
			m.recover(b, m.epochs[child]+1)
			continue
		}
		m.reclaim(c, child)
	}
}

// lost reports whether no copy of the WOB lives or is under way.
func (m *model) lost(id ID) bool {
	return !slices.ContainsFunc(m.copies, func(c *living) bool { return c.w.ID == id }) &&
		!slices.ContainsFunc(m.mail, func(l letter) bool { return l.carries(id) })
}
