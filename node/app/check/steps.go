package check

import (
	"errors"
	"fmt"
	"time"

	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// tooShort is the time of an unsplit run below which splitting can hardly be seen.
const tooShort = 300 * time.Millisecond

// wait waits a part of the unsplit run's time, or until the computation ends.
func (k *checker) wait(part float64, compute <-chan app.Reply) {
	timer := time.NewTimer(time.Duration(part * k.report.Seconds * float64(time.Second)))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-k.ctx.Done():
			return
		case <-time.After(time.Millisecond):
			if len(compute) > 0 {
				return
			}
		}
	}
}

// unsplit computes the whole job in one process: the result that all others must equal.
func (k *checker) unsplit() (string, error) {
	a, err := k.stage.launch()
	if err != nil {
		return "", err
	}
	if err := a.init(k.stage.newWOB(k.opt.Boundary, "")); err != nil {
		return "", err
	}
	begin := time.Now()
	if err := a.complete(a.send(appapi.OnCompute, nil)); err != nil {
		return "", err
	}
	took := time.Since(begin)
	p, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return "", err
	}
	if k.report.Result, err = a.result(p); err != nil {
		return "", err
	}
	k.report.Seconds, k.report.Effort = took.Seconds(), p.Effort.Done()
	if took > 0 {
		k.report.Speed = k.report.Effort / took.Seconds()
	}
	switch {
	case k.report.Result.IsNull():
		return "", errors.New("after OnCompute has answered done:true, OnCheckpoint gives no result: its \"result\" is the WOB's final result then")
	case p.Effort.Remaining != 0:
		return "", fmt.Errorf("after OnCompute has answered done:true, OnCheckpoint says that effort %g remains: nothing of the own part does", p.Effort.Remaining)
	}
	if err := a.quit(); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s in %.3g s, effort %g", short(k.report.Result), took.Seconds(), k.report.Effort)
	if took < tooShort {
		text += "; that is short: with a boundary that takes some seconds the other steps see more"
	}
	return text, nil
}

// complete waits for OnCompute's answer, which must be done:true: nobody has suspended it.
func (a *actor) complete(compute <-chan app.Reply) error {
	var r appapi.ComputeResult
	if err := a.await(compute, &r); err != nil {
		var rpc *app.RPCError
		if errors.As(err, &rpc) {
			return fmt.Errorf("OnCompute failed: %w", err)
		}
		return err
	}
	if !r.Done {
		return errors.New("OnCompute answered done:false, but nobody has suspended it: it goes on until its own part is complete or Suspend comes")
	}
	return nil
}

// result returns the WOB's final result, which an application of finish "call" gives itself.
func (a *actor) result(p appapi.Packed) (wob.Raw, error) {
	if a.s.start.Finish != appapi.FinishCall {
		return p.Result, nil
	}
	read := func() (wob.Raw, bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.finished, a.called
	}
	if r, ok := read(); ok {
		return r, nil
	}
	if err := a.complete(a.send(appapi.OnCompute, nil)); err != nil {
		return "", err
	}
	r, ok := read()
	if !ok {
		return "", errors.New(`the application has not called WOBFinished, though its Start says finish "call": it is called in the OnCompute after the last merge`)
	}
	return r, nil
}

// strangers sends what a later version of the middleware might.
func (k *checker) strangers() (string, error) {
	a, err := k.stage.launch()
	if err != nil {
		return "", err
	}
	err = a.await(a.send("NoSuchMethod", map[string]any{"x": []int{1}}), nil)
	var rpc *app.RPCError
	switch {
	case err == nil:
		return "", fmt.Errorf("an unknown method was answered with a result: the answer is error %d", appapi.CodeUnknownMethod)
	case !errors.As(err, &rpc):
		return "", fmt.Errorf("at an unknown method %w", err)
	case rpc.Code != appapi.CodeUnknownMethod:
		return "", fmt.Errorf("an unknown method was answered with error %d: it is %d", rpc.Code, appapi.CodeUnknownMethod)
	}
	k.stage.m.Notify(a.proc, 1, "NoSuchNotification", nil)
	type wobPlus struct {
		appapi.WOB
		Later string `json:"fieldOfALaterVersion"`
	}
	params := map[string]any{"wob": wobPlus{k.stage.newWOB(k.opt.Boundary, ""), "x"}, "later": true}
	if err := a.call(appapi.OnWOBInit, params, nil); err != nil {
		return "", fmt.Errorf("unknown fields are to be ignored, but %w", err)
	}
	p, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return "", fmt.Errorf("before the first OnCompute %w", err)
	}
	if !p.Result.IsNull() && p.Effort.Total > 0 && same(p.Result, k.report.Result) && p.Effort.Done() > 0 {
		return "", errors.New("OnCheckpoint after OnWOBInit gives a finished state: the process has kept something of an earlier WOB")
	}
	err = a.call(appapi.OnWOBInit, map[string]any{"wob": k.stage.newWOB(`{"noSuchBoundary":null}`, "")}, nil)
	text := "unknown methods, notifications and fields are handled; a boundary that makes no sense is refused"
	if err == nil {
		text = "unknown methods, notifications and fields are handled, but a boundary that makes no sense is accepted: better answer OnWOBInit with an error"
	} else if !errors.As(err, &rpc) {
		text = "unknown methods, notifications and fields are handled, but a boundary that makes no sense ends the process: better answer OnWOBInit with an error"
		return text, nil
	}
	return text, a.quit()
}

// resume computes a part, suspends, and goes on in a new process; once more by OnAppExit.
func (k *checker) resume() (string, error) {
	w := k.stage.newWOB(k.opt.Boundary, "")
	var before float64
	for i, method := range []string{appapi.OnCheckpoint, appapi.OnAppExit} {
		a, err := k.stage.launch()
		if err != nil {
			return "", err
		}
		if err := a.init(w); err != nil {
			return "", err
		}
		if i > 0 {
			if err := a.keeps(before); err != nil {
				return "", err
			}
		}
		p, err := k.interrupt(a, method)
		if err != nil {
			return "", err
		}
		w, before = with(w, p), p.Effort.Done()
		if err := a.quit(); err != nil {
			return "", err
		}
	}
	a, err := k.stage.launch()
	if err != nil {
		return "", err
	}
	if err := a.init(w); err != nil {
		return "", err
	}
	if err := a.keeps(before); err != nil {
		return "", err
	}
	p, err := a.toTheEnd()
	if err != nil {
		return "", err
	}
	if !same(p.Result, k.report.Result) {
		return "", fmt.Errorf("the result after two interruptions is %s, in one go it is %s: checkpoint and result together must hold all that was computed, "+
			"of one instant, and OnWOBInit must take both up", short(p.Result), short(k.report.Result))
	}
	return fmt.Sprintf("suspended twice and resumed in new processes, with the same result; %g of the effort %g was in the last state packed", before, p.Effort.Done()), a.quit()
}

// interrupt computes for a third of the time, with a checkpoint under way, and packs.
func (k *checker) interrupt(a *actor, method string) (p appapi.Packed, err error) {
	compute := a.send(appapi.OnCompute, nil)
	k.wait(0.15, compute)
	early, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return p, fmt.Errorf("while OnCompute was open %w", err)
	}
	k.wait(0.15, compute)
	if method == appapi.OnCheckpoint {
		if _, err := a.suspend(compute); err != nil {
			return p, err
		}
	}
	if p, err = a.pack(method); err != nil {
		return p, err
	}
	if p.Effort.Done() < early.Effort.Done() && !near(p.Effort.Done(), early.Effort.Done()) {
		return p, fmt.Errorf("the effort done fell from %g to %g between two checkpoints: total minus remaining is the own work done, which never gets less",
			early.Effort.Done(), p.Effort.Done())
	}
	if method == appapi.OnAppExit {
		return p, nil
	}
	again, err := a.pack(appapi.OnCheckpoint)
	if err == nil && !near(again.Effort.Done(), p.Effort.Done()) {
		err = fmt.Errorf("while suspended the effort done went from %g to %g: nothing is computed between Suspend and the next OnCompute", p.Effort.Done(), again.Effort.Done())
	}
	return p, err
}

// keeps checks that a process that was given a checkpoint has what was done before.
func (a *actor) keeps(done float64) error {
	p, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return err
	}
	if !near(p.Effort.Done(), done) {
		return fmt.Errorf("a new process was given a checkpoint with effort %g done and says that %g is done: OnWOBInit goes on from the checkpoint if there is one",
			done, p.Effort.Done())
	}
	return nil
}

// toTheEnd computes to the end and returns the last checkpoint, its result being the final one.
func (a *actor) toTheEnd() (p appapi.Packed, err error) {
	if err := a.complete(a.send(appapi.OnCompute, nil)); err != nil {
		return p, err
	}
	return a.last()
}

// last makes the last checkpoint of a WOB all of which is done.
func (a *actor) last() (p appapi.Packed, err error) {
	if p, err = a.pack(appapi.OnCheckpoint); err != nil {
		return p, err
	}
	p.Result, err = a.result(p)
	return p, err
}
