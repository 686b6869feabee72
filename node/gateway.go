package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/work"
)

// gatewayWait bounds a control call to the gateway: a machine that waits for the answer
// must learn soon that there is none. Calls that carry a WOB have longer.
const (
	gatewayWait = 8 * time.Second
	wobWait     = 60 * time.Second
)

// call runs one gateway call beside the loop and posts what it returns. A node the
// gateway does not know (it was restored from an older backup, say) enrols and repeats.
func (p *Project) call(wait time.Duration, do func(context.Context) error, then func(error)) {
	p.spawn(func() {
		ctx, cancel := context.WithTimeout(p.ctx, wait)
		defer cancel()
		err := do(ctx)
		if api.Code(err) == api.CodeNotEnrolled {
			if _, err = p.gateway.Enrol(ctx); err == nil {
				err = do(ctx)
			}
		}
		then(err)
	})
}

func (p *Project) askGateway() {
	var where api.Where
	p.call(gatewayWait, func(ctx context.Context) (err error) {
		where, err = p.gateway.Clusters(ctx, p.cfg.Public)
		return err
	}, func(err error) {
		in := overlay.GatewayClusters{
			Answer: where.Answer, Lease: where.Lease,
			Retry: time.Duration(where.RetryAfter * float64(time.Second)),
		}
		if err != nil {
			in.Err = err.Error()
			p.gatewayDown(err)
		} else {
			p.gatewayUp()
		}
		for _, c := range where.Clusters {
			in.Clusters = append(in.Clusters, overlay.Candidate{Cluster: protocols.ClusterID(c.ID), Supervisors: supervisors(c.Supervisors)})
		}
		p.box.post(in)
	})
}

func supervisors(in []api.Supervisor) []protocols.Supervisor {
	out := make([]protocols.Supervisor, len(in))
	for i, s := range in {
		out[i] = protocols.Supervisor{ID: s.Peer, Addrs: s.Addrs, Capacity: s.Capacity}
	}
	return out
}

func (p *Project) reportStatus(s overlay.Status) {
	status := api.ClusterStatus{
		View:  api.View{Cluster: string(s.View.Cluster), Epoch: s.View.Epoch},
		Lease: s.Lease, Members: s.Members, Capacity: s.Capacity, Idle: s.Idle, Work: s.Work,
		Workload: api.Workload(s.Workload),
	}
	for _, v := range s.View.Supervisors {
		status.View.Supervisors = append(status.View.Supervisors, api.Supervisor{Peer: v.ID, Addrs: v.Addrs, Capacity: v.Capacity})
	}
	var answer api.StatusAnswer
	p.call(gatewayWait, func(ctx context.Context) (err error) {
		answer, err = p.gateway.PutStatus(ctx, status)
		return err
	}, func(err error) {
		in := overlay.StatusAnswer{Accepted: err == nil, Epoch: s.View.Epoch, Workload: answer.Workload}
		var problem *api.Problem
		switch {
		case err == nil:
			p.gatewayUp()
		case errors.As(err, &problem) && problem.Status == http.StatusConflict:
			if problem.Epoch != nil {
				in.Epoch = *problem.Epoch
			}
		default:
			in.Err = err.Error()
			p.gatewayDown(err)
		}
		p.box.post(in)
	})
}

// doGateway carries out the work machine's calls.
func (p *Project) doGateway(e work.Effect) {
	switch e := e.(type) {
	case work.TakeWork:
		p.takeWork(e)
	case work.RenewLease:
		var lease api.Lease
		p.call(gatewayWait, func(ctx context.Context) (err error) {
			lease, err = p.gateway.RenewLease(ctx, e.ID, api.Renewal{Inc: e.Stamp.Incarnation, Version: e.Stamp.Version, Effort: &e.Effort})
			return err
		}, func(err error) { p.gatewayAnswer(e.Token, lease.Duration(), err) })
	case work.ReleaseLease:
		p.call(gatewayWait, func(ctx context.Context) error {
			return p.gateway.ReleaseLease(ctx, e.ID, e.Inc)
		}, func(err error) { p.gatewayAnswer(e.Token, 0, err) })
	case work.PutResult:
		p.call(wobWait, func(ctx context.Context) error {
			_, err := p.gateway.PutResult(ctx, e.WOB)
			return err
		}, func(err error) { p.gatewayAnswer(e.Token, 0, err) })
	case work.PutFailsafe:
		p.call(wobWait, func(ctx context.Context) error {
			return p.gateway.PutFailsafe(ctx, e.WOB)
		}, func(err error) { p.gatewayAnswer(e.Token, 0, err) })
	}
}

func (p *Project) takeWork(e work.TakeWork) {
	var got *api.Work
	p.call(wobWait, func(ctx context.Context) (err error) {
		got, err = p.gateway.TakeWork(ctx, e.Apps)
		return err
	}, func(err error) {
		in := work.GatewayWork{Token: e.Token}
		if err != nil {
			in.Err = err.Error()
		} else if got != nil {
			in.WOB, in.Lease = got.WOB, got.Lease.Duration()
		}
		p.box.post(in)
	})
}

func (p *Project) gatewayAnswer(token uint64, lease time.Duration, err error) {
	in := work.GatewayAnswer{Token: token, Lease: lease, Status: http.StatusOK}
	if err != nil {
		p.logger.Debug("Gateway refused", "token", token, "err", err)
		in.Status = api.Status(err)
		if in.Status == 0 || in.Status >= 500 {
			in.Err = err.Error()
		}
	}
	p.box.post(in)
}

// gatewayDown and gatewayUp log the changes only: the gateway may be away for hours.
func (p *Project) gatewayDown(err error) {
	if p.ctx.Err() == nil && !p.down.Swap(true) {
		p.logger.Warn("Gateway not reached, going on without it", "err", err)
	}
}

func (p *Project) gatewayUp() {
	if p.down.Swap(false) {
		p.logger.Info("Gateway reached again")
	}
}

// locate asks the overlay where a WOB is, on behalf of the gateway beside this node or
// of a person.
func (p *Project) locate(ctx context.Context, id wob.ID) (protocols.Entry, protocols.Answer) {
	answer := make(chan overlay.Located, 1)
	p.box.post(func() {
		p.nextLocate++
		token := p.nextLocate
		p.locates[token] = func(l overlay.Located) { answer <- l }
		p.local(overlay.Locate{Token: token, WOB: id})
	})
	select {
	case l := <-answer:
		return l.Entry, l.Answer
	case <-ctx.Done():
	case <-p.stopped:
	}
	return protocols.Entry{}, protocols.Unknown
}
