package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// kind is what Range and Tree differ in: how open work is written down, taken and divided.
// T is a piece of open work; pieces never overlap, and cost is additive over them.
type kind[T, R any] interface {
	// parse reads a boundary, a root's or one that boundary has written.
	parse(b json.RawMessage) ([]T, error)
	// boundary writes pieces down, to be computed elsewhere or later.
	boundary(parts []T) any
	cost(t T) float64
	// take removes one piece of about the wanted cost from what is computed first.
	take(open []T, want float64) (t T, rest []T)
	// cut divides the open pieces so that give costs about the amount; what is computed last goes.
	cut(open []T, amount float64) (keep, give []T)
	// join adds pieces; an error when they overlap.
	join(open, more []T) ([]T, error)
	// run computes a piece.
	run(t T) R
}

// Sizes of pieces, in time on this machine.
const (
	// pieceTime is what one piece should take: long enough that taking it costs nothing,
	// short enough that a checkpoint leaves out little and the end of the job is even.
	pieceTime = 12 * time.Millisecond
	// minSplit is the least remaining own time that is worth dividing. A split costs two
	// stored checkpoints and a transfer, a few tens of milliseconds; below this the asker
	// would wait longer for its part than the rest takes here.
	minSplit = 60 * time.Millisecond
	// rateWindow is the time over which the speed is averaged.
	rateWindow = 2 * time.Second
	// progressEvery is how often people are told how far the WOB is.
	progressEvery = time.Second
)

// engine implements App and Splitter for a kind. Its lock is held for moments only: pieces are
// computed outside it, so callbacks are answered at once, on all that is not being computed.
type engine[T, R any] struct {
	kind    kind[T, R]
	merge   func(a, b R) R
	empty   func() R // the result of a WOB without any work
	threads int
	setup   func(params json.RawMessage) error
	node    *Node

	patience time.Duration // firstPiece, but in tests

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	open    []T // not computed, not offered
	busy    map[int]T
	pieces  int // begun so far: keys of busy
	offer   *openOffer[T]
	done    float64 // cost of what was computed here
	acc     R       // merged results, own and children's
	has     bool    // acc holds something
	nothing bool    // the boundary holds no work at all
	meta    Raw
	told    time.Time // last Progress
	pace    pace
}

// openOffer is a part that is promised to another node and locked.
type openOffer[T any] struct {
	id    string
	parts []T
}

// OnStart implements Starter.
func (e *engine[T, R]) OnStart(n *Node) error {
	e.node = n
	e.changed = make(chan struct{})
	e.busy = make(map[int]T)
	if e.setup != nil {
		return e.setup(n.Params())
	}
	return nil
}

// signal wakes the workers that wait for work; the lock is held.
func (e *engine[T, R]) signal() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// OnCompute implements App.
func (e *engine[T, R]) OnCompute(n *Node) (bool, error) {
	var workers sync.WaitGroup
	for range max(1, e.threads) {
		workers.Go(func() { e.work(n) })
	}
	workers.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.open) == 0 && e.offer == nil, nil
}

// work computes pieces until none are left or the computation is suspended.
func (e *engine[T, R]) work(n *Node) {
	for n.CanCompute() {
		e.mu.Lock()
		if len(e.open) == 0 {
			if len(e.busy) == 0 && e.offer == nil {
				e.mu.Unlock()
				return
			}
			// An offer may be released, a part returned.
			changed := e.changed
			e.mu.Unlock()
			select {
			case <-changed:
			case <-n.Suspended():
			}
			continue
		}
		key, t := e.begin()
		e.mu.Unlock()

		start := time.Now()
		r := e.kind.run(t)
		took := time.Since(start)

		e.mu.Lock()
		e.end(key, r, took)
		e.progress(n)
	}
}

// begin takes a piece of the open work, of which there must be some; the lock is held.
func (e *engine[T, R]) begin() (key int, t T) {
	t, e.open = e.kind.take(e.open, e.pace.grain)
	e.pieces++
	e.busy[e.pieces] = t
	return e.pieces, t
}

// end books a computed piece; the lock is held.
func (e *engine[T, R]) end(key int, r R, took time.Duration) {
	cost := e.kind.cost(e.busy[key])
	delete(e.busy, key)
	e.done += cost
	e.add(r)
	if first := e.pace.learn(cost, took); first || len(e.open) == 0 {
		e.signal()
	}
}

// add merges a result; the lock is held.
func (e *engine[T, R]) add(r R) {
	if e.has {
		r = e.merge(e.acc, r)
	}
	e.acc, e.has = r, true
}

// progress tells people how far the WOB is, now and then. It unlocks: writing may block.
func (e *engine[T, R]) progress(n *Node) {
	now := time.Now()
	due := now.Sub(e.told) >= progressEvery
	if due {
		e.told = now
	}
	eff := e.effort()
	e.mu.Unlock()
	if due {
		_ = n.Progress(eff, "")
	}
}

// remaining is the cost of all own work not done; the lock is held.
func (e *engine[T, R]) remaining() float64 {
	sum := e.sum(e.open)
	for _, t := range e.busy {
		sum += e.kind.cost(t)
	}
	if e.offer != nil {
		sum += e.sum(e.offer.parts)
	}
	return sum
}

func (e *engine[T, R]) sum(parts []T) float64 {
	var sum float64
	for _, t := range parts {
		sum += e.kind.cost(t)
	}
	return sum
}

func (e *engine[T, R]) effort() Effort {
	rest := e.remaining()
	return Effort{Total: e.done + rest, Remaining: rest}
}

// state is the checkpoint: what is open, in the form of a boundary. The merged results travel
// in the WOB's result, which is part of the same snapshot.
type state struct {
	Open json.RawMessage `json:"open"`
	Done float64         `json:"done"`
	Has  bool            `json:"has"`
	hint
}

// hint is what one process tells the next one that works on the same job, in a checkpoint or in
// a child's meta: its speed may differ, but hardly by more than it takes to find out.
type hint struct {
	Grain float64 `json:"grain,omitempty"`
}

// OnWOBInit implements App.
func (e *engine[T, R]) OnWOBInit(w *WOB) error {
	parts, err := e.kind.parse(json.RawMessage(orNull(w.Boundary)))
	if err != nil {
		return fmt.Errorf("boundary: %w", err)
	}
	var (
		acc  R
		st   state
		none = len(parts) == 0
	)
	if !w.Checkpoint.IsNull() {
		if err := json.Unmarshal([]byte(w.Checkpoint), &st); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if parts, err = e.kind.parse(st.Open); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	if st.Has {
		if err := json.Unmarshal([]byte(orNull(w.Result)), &acc); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	if st.Grain == 0 {
		_ = json.Unmarshal([]byte(orNull(w.Meta)), &st.hint) // another's meta holds no hint
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open, e.offer, e.done = parts, nil, st.Done
	e.acc, e.has, e.nothing, e.meta = acc, st.Has, none, w.Meta
	clear(e.busy)
	e.pace = pace{grain: max(0, st.Grain)} // the costs of another job may mean other times
	return nil
}

// OnCheckpoint implements App. Pieces being computed are packed as if not begun and an open
// offer as if released, so the state is that of one instant.
func (e *engine[T, R]) OnCheckpoint() (Packed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := append([]T(nil), e.open...)
	for _, t := range e.busy {
		all = append(all, t)
	}
	if e.offer != nil {
		all = append(all, e.offer.parts...)
	}
	all, err := e.kind.join(nil, all)
	if err != nil {
		return Packed{}, err
	}
	open, err := json.Marshal(e.kind.boundary(all))
	if err != nil {
		return Packed{}, err
	}
	cp, err := json.Marshal(state{Open: open, Done: e.done, Has: e.has, hint: hint{e.pace.grain}})
	if err != nil {
		return Packed{}, err
	}
	p := Packed{Checkpoint: Raw(cp), Effort: e.effort(), Meta: e.meta}
	if e.has || e.nothing {
		acc := e.acc
		if !e.has {
			acc = e.empty()
		}
		res, err := json.Marshal(acc)
		if err != nil {
			return Packed{}, fmt.Errorf("result: %w", err)
		}
		p.Result = Raw(res)
	}
	return p, nil
}

// errOverlap is returned for a part that holds work the WOB already has.
var errOverlap = errors.New("the part overlaps what this WOB holds")
