package check

import (
	"fmt"

	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// splits makes up to n children of a running WOB, and tells the application that they run.
func (k *checker) splits(a *actor, w *appapi.WOB, n int) (parts []*part, err error) {
	for range n {
		offer, err := a.request()
		if err != nil {
			return nil, err
		}
		if offer == nil {
			break
		}
		c, err := a.take(offer, w.ID)
		if err != nil {
			return nil, err
		}
		k.stage.m.Notify(a.proc, 1, appapi.OnWOBChildAck, appapi.ChildParams{Child: c.wob.ID})
		w.Children = append(w.Children, appapi.Child{ID: c.wob.ID, Boundary: c.wob.Boundary, State: wob.Running})
		parts = append(parts, &c)
	}
	if len(parts) == 0 {
		return nil, skipped("nothing was offered while the application computed, so nothing was split. Try a boundary that takes longer")
	}
	return parts, nil
}

// split makes children, has them computed (and split again) elsewhere and merges them in random
// order, with a suspension and a new process between two merges.
func (k *checker) split() (string, error) {
	w := k.stage.newWOB(k.opt.Boundary, "")
	a, compute, err := k.started(w)
	if err != nil {
		return "", err
	}
	parts, err := k.splits(a, &w, 3)
	if err != nil {
		return "", err
	}
	for _, c := range parts {
		if err := k.compute(c, 1); err != nil {
			return "", err
		}
	}
	k.rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	// The first merge may come while the parent computes.
	if err := a.merge(parts[0]); err != nil {
		return "", err
	}
	done, err := a.suspend(compute)
	if err != nil {
		return "", err
	}
	p, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return "", err
	}
	if err := a.quit(); err != nil {
		return "", err
	}
	w = with(w, p)
	if a, err = k.stage.launch(); err != nil {
		return "", err
	}
	if err := a.init(w); err != nil {
		return "", err
	}
	if !done {
		if err := a.complete(a.send(appapi.OnCompute, nil)); err != nil {
			return "", err
		}
	}
	for _, c := range parts[1:] {
		if err := a.merge(c); err != nil {
			return "", err
		}
	}
	if p, err = a.last(); err != nil {
		return "", err
	}
	if !same(p.Result, k.report.Result) {
		return "", fmt.Errorf("split into %d children and merged, the result is %s, unsplit it is %s: some work was counted twice or not at all. A part leaves the WOB in "+
			"OnWOBOfferAck and its result comes back once, in OnWOBChildFinished; merges come in any order", len(parts), short(p.Result), short(k.report.Result))
	}
	return fmt.Sprintf("%d children, split again where they offered, merged in random order with a new process in between: same result", len(parts)), a.quit()
}

// giveBack splits, returns one child's part after the own part is complete, and merges the rest.
func (k *checker) giveBack() (string, error) {
	w := k.stage.newWOB(k.opt.Boundary, "")
	a, compute, err := k.started(w)
	if err != nil {
		return "", err
	}
	parts, err := k.splits(a, &w, 2)
	if err != nil {
		return "", err
	}
	if err := a.complete(compute); err != nil {
		return "", err
	}
	back := parts[0]
	before, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return "", err
	}
	err = a.call(appapi.OnWOBChildReturn, appapi.ReturnParams{Child: back.wob.ID, Boundary: back.wob.Boundary, Checkpoint: back.wob.Checkpoint}, nil)
	if err != nil {
		return "", err
	}
	after, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return "", err
	}
	if !near(after.Effort.Remaining, before.Effort.Remaining+back.wob.Effort.Remaining) {
		return "", fmt.Errorf("a part of effort %g was given back and the remaining effort went from %g to %g: the whole part is this WOB's again, to be computed in the next OnCompute",
			back.wob.Effort.Remaining, before.Effort.Remaining, after.Effort.Remaining)
	}
	for _, c := range parts[1:] {
		if err := k.compute(c, 0); err != nil {
			return "", err
		}
		if err := a.merge(c); err != nil {
			return "", err
		}
	}
	p, err := a.toTheEnd()
	if err != nil {
		return "", fmt.Errorf("after a part was given back: %w", err)
	}
	if !same(p.Result, k.report.Result) {
		return "", fmt.Errorf("after a part was given back the result is %s, unsplit it is %s: OnWOBChildReturn makes the whole part this WOB's own again", short(p.Result), short(k.report.Result))
	}
	return "the part was computed by the parent: same result", a.quit()
}
