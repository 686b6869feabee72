package check

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// asker is the node that asks for work in this check: as fast as this one.
func asker() appapi.RequestParams {
	return appapi.RequestParams{Request: appapi.Request{ID: uuid.NewString(), Node: appapi.NodeSpec{
		Peer: "check", Speed: 1, Cores: 1, Memory: 1 << 30, OS: "linux", Arch: "amd64"}}, Self: appapi.Speed{Speed: 1}}
}

// request asks for an offer.
func (a *actor) request() (*appapi.Offer, error) {
	var r appapi.RequestResult
	err := a.call(appapi.OnWOBRequest, asker(), &r)
	return r.Offer, err
}

// part is a child that was split off, with what it was born with.
type part struct {
	wob    appapi.WOB
	packed appapi.Packed // its last state, once computed
}

// take accepts an offer: the part leaves the WOB.
func (a *actor) take(offer *appapi.Offer, parent wob.ID) (part, error) {
	w := a.s.newWOB("", parent)
	var r appapi.OfferAckResult
	if err := a.call(appapi.OnWOBOfferAck, appapi.OfferParams{Offer: offer.ID, Child: w.ID}, &r); err != nil {
		return part{}, err
	}
	c := r.Child
	if c.Boundary.IsNull() {
		return part{}, errors.New("the child in the answer to OnWOBOfferAck has no boundary: the boundary says what the child is to compute")
	}
	w.Boundary, w.Checkpoint, w.Meta, w.Effort = c.Boundary, c.Checkpoint, c.Meta, c.Effort
	return part{wob: w}, nil
}

// started returns a process that computes the whole job and has done some of it.
func (k *checker) started(w appapi.WOB) (*actor, <-chan app.Reply, error) {
	a, err := k.stage.launch()
	if err != nil {
		return nil, nil, err
	}
	if err := a.init(w); err != nil {
		return nil, nil, err
	}
	compute := a.send(appapi.OnCompute, nil)
	k.wait(0.1, compute)
	return a, compute, nil
}

// offer looks at offers alone: one at a time, locked, released, and the books of effort.
func (k *checker) offer() (string, error) {
	w := k.stage.newWOB(k.opt.Boundary, "")
	a, compute, err := k.started(w)
	if err != nil {
		return "", err
	}
	err = a.await(a.send(appapi.OnWOBRequest, asker()), nil)
	var rpc *app.RPCError
	if errors.As(err, &rpc) && rpc.Code == appapi.CodeUnknownMethod {
		if _, err := a.suspend(compute); err != nil {
			return "", err
		}
		if err := a.quit(); err != nil {
			return "", err
		}
		return "", skipped("the application does not implement OnWOBRequest: its WOBs are never split. That is allowed")
	}
	if err != nil {
		return "", fmt.Errorf("while OnCompute was open %w", err)
	}
	// Whatever was offered is unlocked by the suspension below, as if released.
	if _, err := a.suspend(compute); err != nil {
		return "", err
	}
	if err := a.init(w); err != nil {
		return "", err
	}
	compute = a.send(appapi.OnCompute, nil)
	k.wait(0.1, compute)
	if _, err := a.suspend(compute); err != nil {
		return "", err
	}
	if err := k.offerWhileSuspended(a, w.ID); err != nil {
		return "", err
	}
	return "one at a time, locked until it is taken or released; effort is neither made nor lost", a.quit()
}

// offerWhileSuspended checks the books of effort, which stand still now.
func (k *checker) offerWhileSuspended(a *actor, id wob.ID) error {
	before, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return err
	}
	offer, err := a.request()
	if err != nil {
		return err
	}
	if offer == nil {
		return skipped("the application offered nothing after a tenth of the job: its WOBs are not split. That is allowed; " +
			"if it should offer, try a boundary that takes longer")
	}
	if second, err := a.request(); err != nil {
		return err
	} else if second != nil {
		return errors.New("a second part was offered while the first offer was open: one offer is open at a time, the answer is null")
	}
	err = a.await(a.send(appapi.OnWOBOfferAck, appapi.OfferParams{Offer: "no-such-offer", Child: wob.ID(uuid.NewString())}), nil)
	var rpc *app.RPCError
	if err != nil && !errors.As(err, &rpc) {
		return err
	}
	if err == nil || rpc.Code != appapi.CodeUnknownOffer {
		return fmt.Errorf("OnWOBOfferAck with an offer that is not open was not answered with error %d: then no part is taken, and that is no failure", appapi.CodeUnknownOffer)
	}
	k.stage.m.Notify(a.proc, 1, appapi.OnWOBOfferRelease, appapi.OfferParams{Offer: offer.ID})
	after, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return err
	}
	if !near(before.Effort.Remaining, after.Effort.Remaining) || !near(before.Effort.Total, after.Effort.Total) {
		return fmt.Errorf("an offer made and released changed the effort from %+v to %+v: it unlocks the part and changes nothing else", before.Effort, after.Effort)
	}
	if offer, err = a.request(); err != nil {
		return err
	}
	if offer == nil {
		return errors.New("after OnWOBOfferRelease nothing was offered any more: the part is unlocked and may be offered again")
	}
	c, err := a.take(offer, id)
	if err != nil {
		return err
	}
	return checkBooks(a, before.Effort, c.wob.Effort)
}

// checkBooks compares effort before and after a part left.
func checkBooks(a *actor, before, child wob.Effort) error {
	after, err := a.pack(appapi.OnCheckpoint)
	if err != nil {
		return err
	}
	switch {
	case child.Remaining > before.Remaining && !near(child.Remaining, before.Remaining):
		return fmt.Errorf("the application gave away more than it had: effort %g remained, the child got %g", before.Remaining, child.Remaining)
	case !near(after.Effort.Done(), before.Done()):
		return fmt.Errorf("a split changed the effort done from %g to %g: total minus remaining stays", before.Done(), after.Effort.Done())
	case !near(after.Effort.Remaining+child.Remaining, before.Remaining):
		return fmt.Errorf("of the remaining effort %g the child got %g and %g was kept: the part leaves this WOB in the instant of OnWOBOfferAck, so these add up",
			before.Remaining, child.Remaining, after.Effort.Remaining)
	}
	return nil
}

// compute has a new process compute a child, its own splits included, and keeps the last state.
func (k *checker) compute(c *part, generations int) error {
	a, compute, err := k.started(c.wob)
	if err != nil {
		return fmt.Errorf("as a child: %w", err)
	}
	var below []*part
	if generations > 0 {
		if offer, err := a.request(); err != nil {
			return err
		} else if offer != nil {
			g, err := a.take(offer, c.wob.ID)
			if err != nil {
				return err
			}
			below = append(below, &g)
		}
	}
	if err := a.complete(compute); err != nil {
		return fmt.Errorf("as a child: %w", err)
	}
	for _, g := range below {
		if err := k.compute(g, generations-1); err != nil {
			return err
		}
		if err := a.merge(g); err != nil {
			return err
		}
	}
	if c.packed, err = a.last(); err != nil {
		return err
	}
	return a.quit()
}

// merge hands a finished child over.
func (a *actor) merge(c *part) error {
	w := with(c.wob, c.packed)
	w.State = wob.Finished
	return a.call(appapi.OnWOBChildFinished, appapi.WOBParams{WOB: w}, nil)
}
