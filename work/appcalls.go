package work

import (
	"encoding/json"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// What applications call (interfaces.md, section 3), by method.
var (
	requests = map[string]func(*Machine, *proc, AppRequest){}
	notes    = map[string]func(*Machine, *proc, AppNote){}
)

func onRequest[P any](method string, handle func(*Machine, *proc, AppRequest, P)) struct{} {
	requests[method] = func(m *Machine, p *proc, in AppRequest) {
		var params P
		if err := json.Unmarshal([]byte(in.Params), &params); err != nil {
			m.refuseCall(in, appapi.CodeInvalidParams, "the parameters can't be read", nil)
			return
		}
		handle(m, p, in, params)
	}
	return struct{}{}
}

func onNote(method string, handle func(*Machine, *proc, AppNote)) struct{} {
	notes[method] = handle
	return struct{}{}
}

var (
	_ = onInput((*Machine).appRequest)
	_ = onInput((*Machine).appNote)
	_ = onRequest(appapi.WOBFinished, (*Machine).wobFinished)
	_ = onRequest(appapi.WOBQuery, (*Machine).wobQuery)
	_ = onRequest(appapi.WOBLocQuery, (*Machine).wobLocQuery)
	_ = onRequest(appapi.WOBReqBackup, (*Machine).wobReqBackup)
	_ = onRequest(appapi.WOBMsg, (*Machine).wobMsg)
	_ = onNote(appapi.NotifyWorkloadAvailable, func(m *Machine, p *proc, _ AppNote) {
		if p.rec != nil {
			m.emit(WorkAvailable{WOB: p.rec.id()})
		}
	})
	_ = onNote(appapi.Progress, (*Machine).progress)
)

func (m *Machine) appRequest(in AppRequest) {
	p := m.process(in.Proc, in.Gen)
	if p == nil || p.dying {
		return
	}
	handle := requests[in.Method]
	switch {
	case handle == nil:
		m.refuseCall(in, appapi.CodeUnknownMethod, "no such method", nil)
	case len(m.waits)+len(m.onLocated) >= maxWaits:
		m.refuseCall(in, appapi.CodeInternal, "too many questions at once", nil)
	default:
		handle(m, p, in)
	}
}

func (m *Machine) appNote(in AppNote) {
	p := m.process(in.Proc, in.Gen)
	if handle := notes[in.Method]; handle != nil && p != nil && !p.dying {
		handle(m, p, in)
	}
}

func (m *Machine) reply(in AppRequest, result any) {
	if m.process(in.Proc, in.Gen) != nil {
		m.emit(Answer{Proc: in.Proc, Gen: in.Gen, ID: in.ID, Result: result})
	}
}

func (m *Machine) refuseCall(in AppRequest, code int, message string, data any) {
	if m.process(in.Proc, in.Gen) != nil {
		m.emit(Answer{Proc: in.Proc, Gen: in.Gen, ID: in.ID, Code: code, Message: message, Data: data})
	}
}

// wobFinished takes the final result of an application that calls it (finish "call").
func (m *Machine) wobFinished(p *proc, in AppRequest, params appapi.FinishedParams) {
	r := p.rec
	switch {
	case r == nil || !r.open:
		m.refuseCall(in, appapi.CodeInvalidRequest, "WOBFinished is called inside OnCompute", nil)
	case len(r.mem.Out()) > 0 || r.offer != nil && r.offer.acking:
		m.refuseCall(in, appapi.CodeChildOut, "a child is out", nil)
	case len(params.Result) > appapi.MaxWOB:
		m.refuseCall(in, appapi.CodeInvalidParams, "the result is too large", nil)
	default:
		m.releaseOffer(r, "small")
		m.declineQueue(r, "small")
		r.called, r.result = true, params.Result
		m.reply(in, struct{}{})
	}
}

// progress is for people, and tells the speed between checkpoints.
func (m *Machine) progress(p *proc, in AppNote) {
	var params appapi.ProgressParams
	r := p.rec
	if r == nil || !r.open || json.Unmarshal([]byte(in.Params), &params) != nil || params.Effort.Check() != nil {
		return
	}
	if d := m.now.Sub(r.since); d >= minMeasure && params.Effort.Total > 0 {
		m.learn(appName(r.app()), (params.Effort.Done()-r.done)/d.Seconds())
		r.since, r.done = m.now, params.Effort.Done()
	}
	m.report(Progressed{WOB: r.id(), Effort: params.Effort, Text: params.Text[:min(len(params.Text), 1024)]})
}

func location(e *protocols.Entry) *appapi.Location {
	return &appapi.Location{
		Peer: e.Inc.Holder, Addrs: e.Addrs, Fresh: !e.Stale, Epoch: e.Inc.Epoch, Version: e.Version,
	}
}

// find locates a WOB for an application; where it is missed, the application is told.
func (m *Machine) find(in AppRequest, id wob.ID, found func(protocols.Entry)) {
	if !id.Valid() {
		m.refuseCall(in, appapi.CodeInvalidParams, "not a WOB id", nil)
		return
	}
	if r := m.recs[id]; r != nil {
		found(m.entry(r))
		return
	}
	m.locate(id, func(l Located) {
		switch {
		case l.Answer == protocols.Found && !l.Entry.Gone:
			found(l.Entry)
		case l.Answer == protocols.Unknown:
			m.refuseCall(in, appapi.CodeUnanswered, "not answered by all", nil)
		default:
			m.refuseCall(in, appapi.CodeUnknownWOB, "unknown to all", nil)
		}
	})
}

func (m *Machine) wobLocQuery(_ *proc, in AppRequest, q appapi.IDParams) {
	m.find(in, q.ID, func(e protocols.Entry) { m.reply(in, appapi.LocationResult{Location: *location(&e)}) })
}

func (m *Machine) wobQuery(_ *proc, in AppRequest, q appapi.IDParams) {
	m.find(in, q.ID, func(e protocols.Entry) {
		if r := m.recs[q.ID]; r != nil {
			m.reply(in, appapi.QueryResult{WOB: appapi.View(r.newest), Location: location(&e)})
			return
		}
		m.ask(e.Inc.Holder, e.Addrs, m.cfg.OfferWait,
			func(token uint64) protocols.Body { return protocols.Fetch{Token: token, WOB: q.ID} },
			func(body protocols.Body) {
				info, _ := body.(protocols.Info)
				if info.WOB == nil {
					m.refuseCall(in, appapi.CodeUnanswered, "its holder does not answer", location(&e))
					return
				}
				m.reply(in, appapi.QueryResult{WOB: appapi.View(info.WOB), Location: location(&e)})
			})
	})
}

func (m *Machine) wobReqBackup(_ *proc, in AppRequest, q appapi.IDParams) {
	if !q.ID.Valid() {
		m.refuseCall(in, appapi.CodeInvalidParams, "not a WOB id", nil)
		return
	}
	m.findBackup(q.ID, func(best *wob.WOB, _ bool) {
		if best == nil {
			m.refuseCall(in, appapi.CodeUnknownWOB, "nobody has a backup of it", nil)
			return
		}
		m.reply(in, appapi.QueryResult{WOB: appapi.View(best)})
	})
}

// wobMsg sends a message to the holder of a WOB, once more where a newer place is known.
func (m *Machine) wobMsg(p *proc, in AppRequest, s appapi.SendParams) {
	if p.rec == nil {
		m.refuseCall(in, appapi.CodeInvalidRequest, "no WOB is loaded", nil)
		return
	}
	from := p.rec.id()
	m.find(in, s.To, func(e protocols.Entry) { m.passOn(in, from, s, e, true) })
}

func (m *Machine) passOn(in AppRequest, from wob.ID, s appapi.SendParams, e protocols.Entry, retry bool) {
	m.ask(e.Inc.Holder, e.Addrs, m.cfg.OfferWait,
		func(token uint64) protocols.Body {
			return protocols.AppMsg{Token: token, From: from, To: s.To, Data: s.Data}
		},
		func(body protocols.Body) {
			switch b := body.(type) {
			case protocols.AppDelivered:
				m.reply(in, struct{}{})
				return
			case protocols.AppFailed:
				if b.Entry != nil && b.Entry.ID == s.To && e.Inc.Less(b.Entry.Inc) {
					e = *b.Entry
					if retry {
						m.passOn(in, from, s, e, false)
						return
					}
				}
			}
			m.refuseCall(in, appapi.CodeUndeliverable, "not delivered", location(&e))
		})
}
