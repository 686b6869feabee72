package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/wob"
)

// event is one event of a node's stream, with the fields of all the events that the demo
// looks at.
type event struct {
	Name string `json:"event"`
	Data struct {
		WOB    wob.ID          `json:"wob"`
		Child  wob.ID          `json:"child"`
		Effort json.RawMessage `json:"effort"` // a wob.Effort; of split a number
		Copies int             `json:"copies"`
		Own    bool            `json:"own"`
		Error  string          `json:"error"`
	} `json:"data"`
}

// effort reads an event's effort; ok is false if it tells nothing.
func (e *event) effort() (f wob.Effort, ok bool) {
	err := json.Unmarshal(e.Data.Effort, &f)
	return f, err == nil && f.Total > 0
}

// object is what is known of one WOB.
type object struct {
	effort wob.Effort
	at     time.Time // when that was reported
	speed  float64   // own work done per second
	saved  float64   // own work in its newest checkpoint that another node holds
	lost   float64   // own work done when its holder was killed; 0: none was
}

// worker is what is known of one node.
type worker struct {
	alive bool
	wob   wob.ID // that it computes; empty: idle
}

// tracker follows the events of all nodes.
type tracker struct {
	nodes   []worker
	objects map[wob.ID]*object

	splits, checkpoints, merges, recovered, reclaimed int

	redone   float64 // effort
	lastMove time.Time
	note     string // newest event worth telling in words
	notes    int    // how many there were
}

func newTracker(nodes int, now time.Time) *tracker {
	t := &tracker{nodes: make([]worker, nodes), objects: map[wob.ID]*object{}, lastMove: now}
	for i := range t.nodes {
		t.nodes[i].alive = true
	}
	return t
}

func (t *tracker) say(format string, args ...any) {
	t.note = fmt.Sprintf(format, args...)
	t.notes++
}

func (t *tracker) object(id wob.ID) *object {
	o := t.objects[id]
	if o == nil {
		o = new(object)
		t.objects[id] = o
	}
	return o
}

// report takes a WOB's effort in.
func (t *tracker) report(id wob.ID, e *event, now time.Time) {
	f, ok := e.effort()
	if !ok {
		return
	}
	o := t.object(id)
	if done, span := f.Done()-o.effort.Done(), now.Sub(o.at).Seconds(); !o.at.IsZero() && done > 0 && span > 0.1 {
		o.speed = done / span
	}
	if f != o.effort {
		t.lastMove = now
	}
	o.effort, o.at = f, now
}

// handle takes an event of a node in.
func (t *tracker) handle(node int, e *event, now time.Time) {
	id, w := e.Data.WOB, &t.nodes[node]
	name := nodeName(node)
	switch e.Name {
	case "received", "progressed":
		t.report(id, e, now)
	case "computing":
		w.wob = id
		t.report(id, e, now)
		t.lastMove = now
	case "checkpointed":
		t.report(id, e, now)
		t.checkpoints++
		if f, ok := e.effort(); ok && e.Data.Copies > 0 {
			t.object(id).saved = f.Done()
		}
	case "split":
		t.split(id, e, now)
		t.lastMove = now
	case "waits", "finished":
		t.object(id).effort.Remaining = 0
		t.idle(w, id)
		t.lastMove = now
	case "mergedChild":
		t.merges++
		t.object(e.Data.Child).effort.Remaining = 0
		t.lastMove = now
	case "recovered":
		t.resumed(id, e, now)
		t.say("%s resumed %s from its checkpoint", name, shortID(id))
	case "reclaimed":
		t.reclaimed++
		t.redone += t.object(e.Data.Child).effort.Done()
		delete(t.objects, e.Data.Child)
		t.say("%s took %s back", name, shortID(e.Data.Child))
	case "suspended", "moved", "dropped":
		t.idle(w, id)
	case "appFailed", "gaveUp":
		t.idle(w, id)
		t.say("%s: application failed: %.200s", name, e.Data.Error)
	}
}

func (t *tracker) idle(w *worker, id wob.ID) {
	if w.wob == id {
		w.wob = ""
	}
}

// split moves effort from a WOB to its new child, whichever of their nodes spoke first.
func (t *tracker) split(parent wob.ID, e *event, now time.Time) {
	t.splits++
	var amount float64
	if json.Unmarshal(e.Data.Effort, &amount) != nil || amount <= 0 {
		return
	}
	if o := t.object(parent); o.effort.Remaining >= amount {
		o.effort.Total -= amount
		o.effort.Remaining -= amount
	}
	if o := t.object(e.Data.Child); o.effort.Total == 0 {
		o.effort, o.at = wob.Effort{Total: amount, Remaining: amount}, now
	}
}

// resumed notes a resumption from a backup: what had been done beyond it is done again.
func (t *tracker) resumed(id wob.ID, e *event, now time.Time) {
	if e.Data.Own {
		t.recovered++
	}
	o := t.object(id)
	f, _ := e.effort()
	t.redone += max(0, o.lost-f.Done())
	o.lost, o.saved, o.speed = 0, 0, 0
	if f.Total > 0 {
		o.effort, o.at = f, now
	}
	t.lastMove = now
}

// totals sums up all WOBs: own work done and own work in all.
func (t *tracker) totals() (done, total float64) {
	for _, id := range slices.Sorted(maps.Keys(t.objects)) {
		o := t.objects[id]
		done += o.effort.Done()
		total += o.effort.Total
	}
	return done, total
}

// share is the part of the job that is done, 0 to 1.
func (t *tracker) share() float64 {
	done, total := t.totals()
	if total <= 0 {
		return 0
	}
	return min(1, done/total)
}

// redoneShare is Result.Redone.
func (t *tracker) redoneShare() float64 {
	_, total := t.totals()
	if total <= 0 {
		return 0
	}
	return t.redone / total
}

// victim finds a node to kill: one that computes a WOB with own progress in a checkpoint
// that others hold. Of several, the one whose WOB has most left, as it is the least
// likely to end before the kill.
func (t *tracker) victim() (node int, ok bool) {
	most := 0.0
	for i, w := range t.nodes {
		if !w.alive || w.wob == "" {
			continue
		}
		o := t.object(w.wob)
		if o.saved > 0 && o.effort.Remaining > max(most, o.effort.Total/20) {
			node, ok, most = i, true, o.effort.Remaining
		}
	}
	return node, ok
}

// killed notes the death of a node, and what its WOB had done by then.
func (t *tracker) killed(node int, now time.Time) {
	w := &t.nodes[node]
	o := t.object(w.wob)
	o.lost = min(o.effort.Total, o.effort.Done()+o.speed*now.Sub(o.at).Seconds())
	t.say("killed %s, which had done %.0f%% of %s", nodeName(node), 100*part(o.lost, o.effort.Total), shortID(w.wob))
	w.alive, w.wob = false, ""
}

func part(x, of float64) float64 {
	if of <= 0 {
		return 0
	}
	return x / of
}

func nodeName(i int) string { return fmt.Sprintf("node%d", i+1) }

func shortID(id wob.ID) string { return string(id[:min(8, len(id))]) }
