package work

import (
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
)

// gateway is the parent of roots: it lends them under leases and decides their recovery.
type gateway struct {
	roots map[wob.ID]*root
	order []wob.ID
	down  bool
}

type root struct {
	w         *wob.WOB // the newest stored
	inc       wob.Incarnation
	until     core.Time // of the lease
	done      *wob.WOB
	cancelled bool
}

const leaseTime = 12 * time.Second

func newGateway() *gateway { return &gateway{roots: map[wob.ID]*root{}} }

func (g *gateway) inject(w *wob.WOB) {
	g.roots[w.ID] = &root{w: w}
	g.order = append(g.order, w.ID)
}

func (r *root) free(now core.Time) bool { return r.done == nil && !r.cancelled && now >= r.until }

func (g *gateway) available(now core.Time) bool {
	for _, id := range g.order {
		if g.roots[id].free(now) {
			return !g.down
		}
	}
	return false
}

func (g *gateway) handle(n *node, e Effect) {
	d := 3 * time.Millisecond
	answer := func(token uint64, status int) {
		in := GatewayAnswer{Token: token, Status: status, Lease: leaseTime}
		if g.down || n.w.cut[n.id] {
			in = GatewayAnswer{Token: token, Err: "not reached"}
		}
		n.later(d, in)
	}
	reached := !g.down && !n.w.cut[n.id]
	switch e := e.(type) {
	case TakeWork:
		in := GatewayWork{Token: e.Token}
		if reached {
			in.WOB = g.take(n, e.Apps)
			in.Lease = leaseTime
		}
		n.later(d, in)
	case RenewLease:
		answer(e.Token, g.renew(n, e.ID, e.Stamp.Incarnation, reached))
	case ReleaseLease:
		if r := g.roots[e.ID]; r != nil && reached {
			r.until = 0
		}
		answer(e.Token, 200)
	case PutResult:
		answer(e.Token, g.result(e.WOB, reached))
	case PutFailsafe:
		r := g.roots[e.WOB.ID]
		switch {
		case r == nil || !reached:
		case r.cancelled:
			answer(e.Token, 410)
			return
		case e.WOB.Incarnation().Less(r.inc):
			answer(e.Token, 409)
			return
		case r.w.Stamp().Less(e.WOB.Stamp()):
			r.w = e.WOB
		}
		answer(e.Token, 200)
	}
}

func (g *gateway) take(n *node, apps []string) *wob.WOB {
	for _, id := range g.order {
		r := g.roots[id]
		if !r.free(n.w.now) || !slices.Contains(apps, appName(r.w.App)) {
			continue
		}
		w := r.w.Clone()
		w.Epoch, w.Moves, w.Holder = max(r.inc.Epoch, w.Epoch)+1, 0, n.id
		r.inc, r.until = w.Incarnation(), n.w.now.Add(leaseTime)
		return w
	}
	return nil
}

func (g *gateway) renew(n *node, id wob.ID, inc wob.Incarnation, reached bool) int {
	r := g.roots[id]
	switch {
	case r == nil || !reached:
		return 404
	case r.cancelled:
		return 410
	case inc.Less(r.inc):
		return 409
	}
	r.inc, r.until = inc, n.w.now.Add(leaseTime)
	return 200
}

func (g *gateway) result(w *wob.WOB, reached bool) int {
	r := g.roots[w.ID]
	switch {
	case r == nil || !reached:
		return 404
	case r.cancelled:
		return 410
	case r.done == nil:
		r.done = w
	}
	return 200
}
