package node

import (
	"errors"
	"time"

	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/work"
)

// storeBatch writes what the work machine wants stored; the answer comes when it is on
// disk, in the order of the requests.
func (p *Project) storeBatch(e work.Store) {
	b := store.Batch{Held: e.Hold, DropHeld: e.Drop, Backups: e.Backups}
	now := time.Now()
	for _, t := range e.DropBackups {
		b.DropBackups = append(b.DropBackups, t.ID)
		b.Tombs = append(b.Tombs, store.Tomb{ID: t.ID, Inc: t.Inc, State: t.State, At: now})
	}
	p.store.WriteAsync(b, e.Sync, func(r store.Result) {
		in := work.Stored{Token: e.Token, Newer: r.Newer}
		if r.Err != nil {
			in.Err = r.Err.Error()
			p.fail(r.Err)
		}
		p.box.post(in)
	})
}

// load reads a backup beside the loop: it may be large.
func (p *Project) load(e work.Load) {
	p.spawn(func() {
		in := work.Loaded{Token: e.Token}
		if w, err := p.store.Backup(e.WOB); err == nil {
			in.WOB = w
		} else if !errors.Is(err, store.ErrNotFound) {
			p.logger.Warn("Backup unreadable", "wob", e.WOB, "err", err)
		}
		_, in.Gone = p.store.Tomb(e.WOB)
		p.box.post(in)
	})
}

// rememberView keeps the cluster's supervisors for the next start, when the gateway may
// be unreachable (paper, section 3.3).
func (p *Project) rememberView(v protocols.View) {
	if v.Cluster == p.remembered.Cluster && v.Epoch == p.remembered.Epoch {
		return
	}
	p.remembered = v
	p.spawn(func() {
		if err := p.store.PutMeta(p.ctx, metaView, v); err != nil && p.ctx.Err() == nil {
			p.logger.Warn("Cluster not remembered", "err", err)
		}
	})
}

const metaView = "view"

// previousView reads what rememberView kept; none is the zero view.
func (p *Project) previousView() protocols.View {
	var v protocols.View
	if ok, err := p.store.GetMeta(p.ctx, metaView, &v); err != nil || !ok {
		return protocols.View{}
	}
	return v
}

// held returns the WOBs of the last run; damaged records were put aside by the store.
func (p *Project) held() []*wob.WOB {
	held, damaged := p.store.Held()
	for _, d := range damaged {
		p.logger.Error("Stored WOB damaged, put aside", "wob", d.ID, "err", d.Err)
	}
	return held
}
