package work

import (
	"fmt"

	"github.com/wobcompute/wobcompute/wob"
)

// State is what a machine holds, as plain values: for pages, tests and crash dumps.
type State struct {
	WOBs   []WOBState // in the order of their arrival
	Procs  []ProcState
	Idle   int // free slots
	Paused bool
	Left   bool
}

// WOBState is one WOB held here.
type WOBState struct {
	ID       wob.ID
	App      string
	Parent   wob.ID
	State    wob.State
	Phase    string // checking, held, loaded, waiting, finished or moving
	Effort   wob.Effort
	Epoch    uint64
	Moves    uint64
	Version  uint64
	Proc     int // -1: in none
	Out      int // children out
	Copies   int // supervisors that hold its newest snapshot
	Failures int // of the application with it, on this node and others
}

// ProcState is one process.
type ProcState struct {
	Proc int
	Gen  uint64
	App  string
	Up   bool
	Busy bool
	WOB  wob.ID
}

// Snapshot returns the machine's state.
func (m *Machine) Snapshot() State {
	s := State{Idle: max(m.free(), 0), Paused: m.paused, Left: m.left}
	for _, r := range m.list {
		w := WOBState{
			ID: r.id(), App: r.app(), Parent: r.mem.Parent, State: r.mem.State, Phase: r.phase.String(),
			Effort: r.mem.Effort, Epoch: r.mem.Epoch, Moves: r.mem.Moves, Version: r.mem.Version, Proc: -1,
			Out: len(r.mem.Out()), Failures: r.failures + len(r.mem.Failures),
		}
		if r.proc != nil {
			w.Proc = r.proc.n
		}
		for _, v := range r.copies {
			if v >= r.newest.Version {
				w.Copies++
			}
		}
		s.WOBs = append(s.WOBs, w)
	}
	for _, p := range m.procs {
		if !p.alive {
			continue
		}
		ps := ProcState{Proc: p.n, Gen: p.gen, App: p.app, Up: p.up, Busy: !p.idle()}
		if p.rec != nil {
			ps.WOB = p.rec.id()
		}
		s.Procs = append(s.Procs, ps)
	}
	return s
}

// CheckInvariants returns the first thing that must never be and is.
func (m *Machine) CheckInvariants() error {
	if len(m.list) != len(m.recs) {
		return fmt.Errorf("work: %d records listed, %d known", len(m.list), len(m.recs))
	}
	queued := 0
	for _, r := range m.list {
		queued += len(r.queue)
		if err := m.checkRecord(r); err != nil {
			return fmt.Errorf("work: %s (%s, %s): %w", r.id(), r.mem.State, r.phase, err)
		}
	}
	if queued != m.queued || queued > m.cfg.MaxQueue {
		return fmt.Errorf("work: %d requests wait, counted %d, at most %d", queued, m.queued, m.cfg.MaxQueue)
	}
	for _, p := range m.procs {
		if p.rec != nil && (p.rec.proc != p || p.rec.dead) {
			return fmt.Errorf("work: process %d has a record that is not in it", p.n)
		}
	}
	for id, t := range m.transfers {
		if t.rec != nil && (t.rec.dead || t.rec.phase != moving) {
			return fmt.Errorf("work: %s is sent away but %s", id, t.rec.phase)
		}
	}
	return nil
}

func (m *Machine) checkRecord(r *rec) error {
	switch {
	case r.dead || m.recs[r.id()] != r:
		return fmt.Errorf("dead or listed twice")
	case r.mem == r.newest || r.mem == r.stored:
		return fmt.Errorf("the working copy was handed out")
	case (r.phase == loaded) != (r.proc != nil):
		return fmt.Errorf("in process: %t", r.proc != nil)
	case r.proc != nil && r.proc.rec != r:
		return fmt.Errorf("its process has another record")
	case r.newest.Version > r.mem.Version:
		return fmt.Errorf("snapshot %d is newer than the record, %d", r.newest.Version, r.mem.Version)
	case r.open && !r.proc.open:
		return fmt.Errorf("computes, but its process does not")
	case r.mem.State == wob.Finished && len(r.mem.Out()) > 0:
		return fmt.Errorf("finished with children out (S4)")
	case r.phase == moving && m.transfers[r.id()] == nil:
		return fmt.Errorf("moves nowhere")
	case r.offer != nil && r.offer.rec != r:
		return fmt.Errorf("has another record's offer")
	}
	for id := range r.kids {
		if c := r.mem.Lookup(id); c == nil || c.State == wob.Merged {
			return fmt.Errorf("looks after %s, which is not out", id)
		}
	}
	for _, b := range r.births {
		if r.mem.Lookup(b.w.ID) == nil {
			return fmt.Errorf("bears %s, which is not in its table", b.w.ID)
		}
	}
	return nil
}
