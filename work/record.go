package work

import (
	"slices"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// phase is where a record stands on this node.
type phase uint8

const (
	checking phase = iota // after a restart: not confirmed to be still ours
	held                  // packed and available: to be resumed here or given away whole
	loaded                // in a process
	waiting               // own part complete, children out: a stored record (S4)
	finished              // result final, not yet acknowledged; failed ones too
	moving                // being handed over whole
)

func (p phase) String() string {
	return [...]string{"checking", "held", "loaded", "waiting", "finished", "moving"}[p]
}

// rec is a WOB that this node holds.
//
// mem has the children table as of now and the application's fields as of the newest
// snapshot. The calls to a process are answered in order; so when the answer to
// OnCheckpoint is processed, mem's table is the one at the instant of that checkpoint,
// and both together become one snapshot, which is what S3 asks for.
type rec struct {
	mem     *wob.WOB // never handed out
	newest  *wob.WOB // the newest snapshot taken: what a process is loaded with, immutable
	stored  *wob.WOB // the newest snapshot whose storing is complete; nil before the first
	phase   phase
	dead    bool // given up: late continuations find this
	timers  core.Timers
	ownDone bool

	// In a process.
	proc     *proc
	inited   bool
	merging  bool // loaded to merge, not to compute
	open     bool // OnCompute is open
	stopping bool // Suspend was sent
	exiting  bool // OnAppExit was sent
	packing  bool // OnCheckpoint is under way
	quit     quit // what to do once OnWOBRequest is answered
	again    bool // done:true was said while an offer was open: compute once more
	called   bool // WOBFinished was called
	result   wob.Raw
	calls    int // callbacks under way that change the WOB
	since    core.Time
	done     float64 // effort done at since, for the speed

	durable  core.Time // when it arrived or a snapshot was stored last
	hurried  bool      // its result was sent before it was stored
	wantSave bool      // the table changed since the newest snapshot
	save     *save
	copies   map[wob.NodeID]uint64 // supervisors that acknowledged, and which version

	offer   *offer
	asking  *asker // OnWOBRequest is under way for it
	queue   []*asker
	births  []*birth
	results []*result
	returns []wob.ID // children to be given back to the application (S5)
	kids    map[wob.ID]*kid

	parentAt    wob.NodeID // where the parent was heard last
	parentAddrs []string
	parentInc   wob.Incarnation // the newest of the parent that was heard
	resend      resend
	orphan      int       // answers in a row that the parent is over
	absent      core.Time // since when no index knows the parent; 0 if one does
	locating    bool

	failures int
	barred   core.Time // this node failed it: not resumed here before

	owed       []wob.NodeID // who waits for a transfer's acknowledgement until it is stored
	tried      []wob.NodeID // supervisors that did not take it when this node left
	lease      bool         // a renewal is under way
	failsafe   bool         // PutFailsafe is under way
	failsafeAt core.Time    // not before
	unsaved    bool         // a newer snapshot than the one under way waits for PutFailsafe
	confirmed  bool         // the lease was confirmed after a restart
	waited     core.Time    // when the request for it was sent; Never if it was not asked for
}

// quit is how a record is to leave its process, if that must wait for an answer.
type quit uint8

const (
	quitNot quit = iota
	quitSuspend
	quitExit
)

// The timers of a record.
const (
	recCheckpoint = iota
	recSave       // a supervisor owes an acknowledgement
	recResend     // result or status again
	recKids       // the next child to look after
	recLease
	recQueue // requests waiting behind an open offer
	recOffer // the open offer's lease is over
	recCheck // confirm after a restart
	recFailsafe
	recTimers
)

func (r *rec) id() wob.ID           { return r.mem.ID }
func (r *rec) root() bool           { return r.mem.Parent == "" }
func (r *rec) inc() wob.Incarnation { return r.mem.Incarnation() }
func (r *rec) app() string          { return r.mem.App }
func (r *rec) inProcess() bool      { return r.proc != nil && r.proc.up && !r.proc.dying && r.inited }
func (r *rec) computing() bool      { return r.inProcess() && r.open && !r.stopping && !r.exiting }
func (r *rec) find(id wob.ID) *result {
	for _, res := range r.results {
		if res.w.ID == id {
			return res
		}
	}
	return nil
}

// adopt makes w a record. w belongs to the caller no more.
func (m *Machine) adopt(w *wob.WOB, p phase) *rec {
	r := &rec{
		mem: w, newest: w.Clone(), phase: p, timers: core.NewTimers(recTimers),
		copies: map[wob.NodeID]uint64{}, kids: map[wob.ID]*kid{}, waited: core.Never,
		ownDone: w.State == wob.Waiting, durable: m.now,
	}
	m.recs[w.ID] = r
	m.list = append(m.list, r)
	if r.root() {
		r.timers.Set(recLease, m.in(m.cfg.LeaseRenew))
	}
	m.syncKids(r)
	return r
}

// phaseOf tells where a WOB that arrives packed stands.
func phaseOf(s wob.State) phase {
	switch {
	case s == wob.Waiting:
		return waiting
	case s == wob.Finished || wob.Terminal(s):
		return finished
	}
	return held
}

// entry describes r for the index.
func (m *Machine) entry(r *rec) protocols.Entry {
	e := protocols.Entry{
		ID: r.mem.ID, App: r.mem.App, Parent: r.mem.Parent, Inc: r.inc(), Version: r.mem.Version,
		State: r.mem.State, Remaining: r.mem.Effort.Remaining, Speed: m.speed[appName(r.mem.App)], Addrs: m.cfg.Addrs,
	}
	if r.phase == waiting || r.phase == finished {
		e.Remaining = 0
	}
	if r.phase == loaded && r.mem.Effort.Total == 0 {
		e.Remaining = 1 // nobody knows yet: the application says so with its first checkpoint
	}
	if r.phase == held { // to be had whole, even if nobody began it
		e.State = wob.Suspended
	}
	return e
}

func (m *Machine) announce(r *rec) { m.emit(Hold{m.entry(r)}) }

// forget ends a record: it is dropped from this node's store and index. gone leaves a
// tombstone, for a WOB that is over for everybody.
func (m *Machine) forget(r *rec, gone bool) {
	e := m.entry(r)
	e.Gone = gone
	m.emit(Release{Entry: e, Gone: gone})
	m.emit(Store{Token: m.token(), Drop: []wob.ID{r.id()}})
	m.over.add(e)
	m.detach(r)
	r.dead = true
	for _, a := range r.queue {
		m.none(a.node, a.request, "none")
	}
	m.queued -= len(r.queue)
	for _, b := range r.births {
		m.none(b.to, b.request, "none")
		if gone && r.newest.Lookup(b.w.ID) != nil { // its birth may be stored already
			m.emit(Release{Entry: protocols.Entry{ID: b.w.ID, App: b.w.App, Parent: r.id(), Inc: b.w.Incarnation(),
				State: wob.Cancelled, Gone: true}, Gone: true})
		}
	}
	r.queue, r.births = nil, nil
	delete(m.transfers, r.id())
	delete(m.recs, r.id())
	m.list = slices.DeleteFunc(m.list, func(o *rec) bool { return o == r })
}

// drop gives a copy up and says why.
func (m *Machine) drop(r *rec, reason string, gone bool) {
	m.report(Dropped{WOB: r.id(), Reason: reason})
	m.forget(r, gone)
}

// detach takes a record out of its process; an OnCompute that is open is told to stop.
func (m *Machine) detach(r *rec) {
	m.releaseOffer(r, "none")
	p := r.proc
	if p == nil {
		return
	}
	if p.up && !p.dying && p.open {
		m.notify(p, suspendMethod, nil)
	}
	p.rec, r.proc = nil, nil
	m.unload(r)
}

// unload resets what a record knows of its process.
func (m *Machine) unload(r *rec) {
	if r.proc != nil {
		r.proc.rec, r.proc.idleSince = nil, m.now
		r.proc = nil
	}
	r.inited, r.merging, r.open, r.stopping, r.exiting, r.packing = false, false, false, false, false, false
	r.asking = nil
	r.again, r.called, r.calls, r.result, r.quit = false, false, 0, "", quitNot
	r.timers.Clear(recCheckpoint)
	for _, k := range r.kids { // what the process was asked about them it can't answer any more
		k.calling, k.returning = false, false
	}
}

// rollBack puts a record back to the newest snapshot taken, after its process died: what
// was merged, split off or returned since then never happened. Nobody was told of any of
// it, since children are dispatched and merges acknowledged only when they are stored.
func (m *Machine) rollBack(r *rec) {
	m.releaseOffer(r, "none")
	m.unload(r)
	r.mem = r.newest.Clone()
	r.ownDone = r.mem.State == wob.Waiting
	r.wantSave = false
	r.phase = phaseOf(r.mem.State)
	r.births = slices.DeleteFunc(r.births, func(b *birth) bool {
		if r.mem.Lookup(b.w.ID) != nil {
			return false
		}
		m.none(b.to, b.request, "none")
		return true
	})
	for _, res := range r.results {
		if c := r.mem.Lookup(res.w.ID); c == nil || c.State != wob.Merged {
			res.state = resultQueued
		}
	}
	r.returns = nil
	m.syncKids(r)
}
