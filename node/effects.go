package node

import (
	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/work"
)

// doOverlay carries out one effect of the overlay machine. It never blocks.
func (p *Project) doOverlay(e overlay.Effect) {
	switch e := e.(type) {
	case overlay.Send:
		p.send(e.To, e.Addrs, e.Body)
	case overlay.Publish:
		p.publish(e.Cluster, e.Body)
	case overlay.Subscribe:
		p.subscribe(e.Cluster)
	case overlay.Unsubscribe:
		p.unsubscribe(e.Cluster)
	case overlay.Connect:
		p.mux.Connect(e.Peer, e.Addrs)
	case overlay.AskGateway:
		p.askGateway()
	case overlay.ReportStatus:
		p.reportStatus(e.Status)
	case overlay.Report:
		p.overlayEvent(e.Event)
	}
}

// overlayEvent tells the work machine what concerns it, and the listeners everything.
func (p *Project) overlayEvent(ev overlay.Event) {
	switch ev := ev.(type) {
	case overlay.ViewChanged:
		p.view = ev.View
		p.rememberView(ev.View)
		p.local(work.View{Live: ev.Live, Joined: true, Supervisor: ev.Supervisor})
	case overlay.Isolated:
		p.local(work.View{})
	case overlay.WorkAt:
		p.local(work.WorkAt{Request: ev.Request, Places: ev.Places, Gateway: ev.Gateway, Busy: ev.Busy})
	case overlay.Located:
		if done := p.locates[ev.Token]; done != nil {
			delete(p.locates, ev.Token)
			done(ev)
			return
		}
		p.local(work.Located{Token: ev.Token, WOB: ev.WOB, Answer: ev.Answer, Entry: ev.Entry})
	case overlay.WorkloadRose:
		p.local(work.WorkloadRose{})
		p.lookForApps()
	case overlay.EntryGone:
		p.local(work.EntryGone{Entry: ev.Entry})
	case overlay.ChildrenLost:
		p.local(work.ChildrenLost{Entries: ev.Entries})
	case overlay.NewerKnown:
		p.local(work.NewerKnown{Entry: ev.Entry})
	case overlay.Left:
		p.leftOverlay()
	}
	p.events.publish(ev)
}

// doWork carries out one effect of the work machine. It never blocks.
func (p *Project) doWork(e work.Effect) {
	switch e := e.(type) {
	case work.Send:
		p.send(e.To, e.Addrs, e.Body)
	case work.Store:
		p.storeBatch(e)
	case work.Load:
		p.load(e)
	case work.Hold:
		p.local(overlay.Hold{Entry: e.Entry})
	case work.Release:
		p.local(overlay.Release{Entry: e.Entry, Gone: e.Gone})
	case work.Idle:
		p.local(overlay.Idle{Slots: e.Slots})
	case work.Find:
		p.local(overlay.Find{Request: e.Request, Apps: e.Apps, Slots: e.Slots, Avoid: e.Avoid})
	case work.Locate:
		p.local(overlay.Locate{Token: e.Token, WOB: e.WOB})
	case work.WorkAvailable:
		p.local(overlay.WorkAvailable{WOB: e.WOB})
	case work.Report:
		p.workEvent(e.Event)
	case work.TakeWork, work.RenewLease, work.ReleaseLease, work.PutResult, work.PutFailsafe:
		p.doGateway(e)
	default:
		p.doApp(e)
	}
}

func (p *Project) workEvent(ev work.Event) {
	if left, ok := ev.(work.Left); ok {
		p.leftWork(left)
	}
	p.events.publish(ev)
}

// send hands a body to the network, or straight back to this node's own machines.
func (p *Project) send(to wob.NodeID, addrs []string, body protocols.Body) {
	if to == p.self {
		p.deliver(protocols.Message{From: p.self, To: p.self, Body: body})
		return
	}
	if len(addrs) == 0 {
		addrs = p.supervisorAddrs(to)
	}
	p.mux.Send(to, addrs, body)
}

// supervisorAddrs returns the addresses that the view names for a supervisor: a member
// is attached to one of them and may never have spoken to the others.
func (p *Project) supervisorAddrs(id wob.NodeID) []string {
	for _, s := range p.view.Supervisors {
		if s.ID == id {
			return s.Addrs
		}
	}
	return nil
}
