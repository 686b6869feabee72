package work

import (
	"cmp"
	"slices"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// save is a snapshot on its way to the disks that make it stored: this node's own, and
// those of min(R, live supervisors other than this node).
type save struct {
	w       *wob.WOB
	births  []*birth           // children that must be stored before they are dispatched
	local   bool               // this node has it
	synced  bool               // fsynced here
	pending bool               // a local Store is under way
	targets map[wob.NodeID]int // messages not yet acknowledged; refused: not counted
	rounds  int                // of waiting for acknowledgements
}

const refused = -1

// maxRounds is how often missing acknowledgements are waited for. Then one copy will do:
// the others say a supervisor lives, but from here it can't be reached.
const maxRounds = 3

// copying is one Backup message under way.
type copying struct {
	rec     *rec
	save    *save // nil when only the number of copies is being restored
	node    wob.NodeID
	version uint64
}

// carried is how many WOBs travel beside one Backup.
const carried = 4

// keepMerged is how many merged children stay in a table, to acknowledge repeated
// results politely.
const keepMerged = 8

// snapshot makes mem, as it is in this instant, the newest snapshot and has it stored.
// While another one is being stored it waits for that one: group commit.
func (m *Machine) snapshot(r *rec, state wob.State) {
	_ = r.mem.MoveTo(state) // a state it can't leave stays
	r.mem.Version++
	r.mem.Forget(keepMerged)
	r.newest = r.mem.Clone()
	r.wantSave = false
	switch {
	case r.save != nil:
	case state == wob.Finished && m.brief(r):
		m.hurry(r)
	default:
		m.startSave(r)
	}
}

// brief reports whether little is lost if the result of r is: a leaf computed in less
// time than storing it with supervisors is worth. Its parent stores the result with the
// merge; a crash before that costs the computation of the leaf, which is stored since
// its birth.
func (m *Machine) brief(r *rec) bool {
	return !r.root() && len(r.newest.Children) == 0 && m.now.Sub(r.durable) < m.cfg.Brief
}

// hurry brings a result to the parent before it is stored with supervisors. If it is not
// acknowledged soon it is stored as any other.
func (m *Machine) hurry(r *rec) {
	r.hurried = true
	m.emit(Store{Token: m.token(), Hold: []*wob.WOB{r.newest}})
	m.announce(r)
	m.deliverUp(r)
}

// startSave stores the newest snapshot and the children born in it.
func (m *Machine) startSave(r *rec) {
	s := &save{w: r.newest, targets: map[wob.NodeID]int{}}
	for _, b := range r.births {
		if s.w.Lookup(b.w.ID) != nil {
			s.births = append(s.births, b)
		}
	}
	r.save = s
	others := m.others()
	m.storeHere(r, s, len(others) == 0)
	for _, n := range choose(r.id(), others)[:min(m.cfg.Replicas, len(others))] {
		m.copyTo(r, s, n)
	}
	r.timers.Set(recSave, m.in(m.cfg.StoreWait))
}

func (m *Machine) storeHere(r *rec, s *save, sync bool) {
	token := m.token()
	s.pending = true
	m.onStored[token] = func(in Stored) {
		s.pending = false
		if r.dead || r.save != s {
			return
		}
		if in.Err != "" { // a full disk: the supervisors' copies count, ours is tried again
			m.report(Rejected{From: m.cfg.Self, Reason: "store: " + in.Err})
			return
		}
		s.local, s.synced = true, s.synced || sync
		m.checkSave(r)
	}
	m.emit(Store{Token: token, Hold: []*wob.WOB{s.w}, Sync: sync})
}

func (m *Machine) copyTo(r *rec, s *save, n wob.NodeID) {
	ws := make([]*wob.WOB, 0, 1+len(s.births))
	ws = append(ws, s.w)
	for _, b := range s.births {
		ws = append(ws, b.w)
	}
	s.targets[n] = (len(ws) + carried - 1) / carried
	for part := range slices.Chunk(ws, carried) {
		m.backup(&copying{rec: r, save: s, node: n, version: s.w.Version}, part)
	}
}

func (m *Machine) backup(c *copying, ws []*wob.WOB) {
	token := m.token()
	m.backups[token] = c
	m.send(c.node, nil, protocols.Backup{Token: token, WOBs: ws})
}

var (
	_ = onMessage((*Machine).backupAck)
	_ = onInput(func(m *Machine, in Stored) {
		if f := m.onStored[in.Token]; f != nil {
			delete(m.onStored, in.Token)
			f(in)
		}
	})
)

func (m *Machine) backupAck(from wob.NodeID, ack protocols.BackupAck) {
	c := m.backups[ack.Token]
	if c == nil || c.node != from {
		return // late, or not its affair
	}
	delete(m.backups, ack.Token)
	r := c.rec
	if r.dead {
		return
	}
	for i, id := range ack.Stale {
		if id == r.id() && r.inc().Less(ack.Newer[i].Incarnation) {
			m.supersede(r, ack.Newer[i].Incarnation)
			return
		}
	}
	switch {
	case ack.OK && c.save == nil:
		r.copies[from] = max(r.copies[from], c.version)
	case ack.OK && c.save.targets[from] > 0:
		if c.save.targets[from]--; c.save.targets[from] == 0 {
			r.copies[from] = max(r.copies[from], c.version)
		}
	case c.save != nil:
		c.save.targets[from] = refused
	}
	if c.save != nil && r.save == c.save {
		m.checkSave(r)
	}
}

func (s *save) copies() int {
	n := 0
	for _, left := range s.targets {
		if left == 0 {
			n++
		}
	}
	return n
}

// checkSave completes a save when enough copies are on disk.
func (m *Machine) checkSave(r *rec) {
	s, need := r.save, min(m.cfg.Replicas, len(m.others()))
	if s.rounds >= maxRounds && s.copies() > 0 {
		need = min(need, s.copies())
	}
	if need == 0 && !s.synced && !s.pending {
		m.storeHere(r, s, true)
	}
	if !s.local || s.copies() < need || need == 0 && !s.synced {
		return
	}
	first := r.stored != s.w
	r.save, r.stored, r.durable = nil, s.w, m.now
	r.timers.Clear(recSave)
	m.saved(r, s, first)
}

// saved does what waited for the snapshot: only now may anybody be told of it.
func (m *Machine) saved(r *rec, s *save, first bool) {
	if first && s.w.Version > 0 {
		m.report(Checkpointed{WOB: r.id(), Version: s.w.Version, Effort: s.w.Effort, Copies: s.copies()})
	}
	m.announce(r)
	if s.copies() > 0 || m.joined && m.supervisor {
		for _, b := range s.births {
			m.dispatch(r, b)
		}
	}
	m.ackResults(r)
	m.ackTransfers(r)
	if first {
		m.putFailsafe(r)
	}
	if r.newest != s.w || len(s.births) == 0 && m.undispatched(r) && s.copies() > 0 {
		m.startSave(r)
		return
	}
	if r.phase == finished {
		m.deliverUp(r)
	} else {
		m.status(r)
	}
	m.pump(r)
}

func (m *Machine) undispatched(r *rec) bool {
	return slices.ContainsFunc(r.births, func(b *birth) bool { return r.newest.Lookup(b.w.ID) != nil })
}

// late chooses further supervisors for a save that misses acknowledgements, and asks
// those that owe one again: the message or the answer may be lost.
func (m *Machine) late(r *rec) {
	s := r.save
	if s == nil {
		return
	}
	s.rounds++
	if !s.local && !s.pending {
		m.storeHere(r, s, s.synced)
	}
	m.retarget(r, true)
	m.checkSave(r)
	if r.save == s {
		r.timers.Set(recSave, m.in(m.cfg.StoreWait))
	}
}

// retarget makes enough live supervisors owe an acknowledgement.
func (m *Machine) retarget(r *rec, again bool) {
	s, others := r.save, m.others()
	need, spare := min(m.cfg.Replicas, len(others))-s.copies(), 0
	order := choose(r.id(), others)
	for _, n := range order {
		left, asked := s.targets[n]
		switch {
		case need <= 0 && spare <= 0:
			return
		case !asked && need > 0:
			need--
			m.copyTo(r, s, n)
		case !asked:
			spare--
			m.copyTo(r, s, n)
		case left != 0 && again: // and one more beside it, in case it never answers
			need, spare = need-1, spare+1
			m.disown(s, n)
			m.copyTo(r, s, n)
		case left > 0:
			need--
		}
	}
}

// disown forgets the messages that node n owes an answer to.
func (m *Machine) disown(s *save, n wob.NodeID) {
	for token, c := range m.backups {
		if c.save == s && c.node == n {
			delete(m.backups, token)
		}
	}
}

// replicate restores the number of copies after the supervisors changed.
func (m *Machine) replicate(r *rec) {
	switch {
	case r.phase == checking:
	case r.save != nil:
		m.retarget(r, false)
		m.checkSave(r)
	case m.undispatched(r):
		m.startSave(r)
	case r.stored != nil:
		others := m.others()
		for _, n := range choose(r.id(), others)[:min(m.cfg.Replicas, len(others))] {
			if v, ok := r.copies[n]; !ok || v < r.stored.Version {
				m.backup(&copying{rec: r, node: n, version: r.stored.Version}, []*wob.WOB{r.stored})
			}
		}
	}
}

// others returns the live supervisors that are not this node.
func (m *Machine) others() []wob.NodeID {
	if !m.joined {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(m.live), func(n wob.NodeID) bool { return n == m.cfg.Self })
}

// choose orders nodes by rendezvous hash: every holder chooses the same few for a WOB,
// and the choice changes little when nodes come and go.
func choose(id wob.ID, nodes []wob.NodeID) []wob.NodeID {
	type scored struct {
		n wob.NodeID
		h uint64
	}
	all := make([]scored, len(nodes))
	for i, n := range nodes {
		all[i] = scored{n, weight(id, n)}
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.h, a.h), cmp.Compare(a.n, b.n)) })
	out := make([]wob.NodeID, len(all))
	for i, s := range all {
		out[i] = s.n
	}
	return out
}

// weight is FNV-1a over both names, mixed once more because FNV's high bits lag.
func weight(id wob.ID, n wob.NodeID) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	for i := range len(n) {
		h = (h ^ uint64(n[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}
