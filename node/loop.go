package node

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/protocols/stream"
	"github.com/wobcompute/wobcompute/work"
)

// loop is the only goroutine that touches the two machines. It takes inputs from the
// mailbox, steps the machine they belong to and carries out the effects; an effect of
// one machine may be an input of the other, which is stepped before anything else.
func (p *Project) loop() {
	defer close(p.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []any
	for {
		timer.Reset(p.untilDeadline())
		select {
		case <-p.quit:
			p.box.close()
			return
		case <-p.box.ready:
			batch = p.box.take(batch)
			for i, in := range batch {
				batch[i] = nil
				if n, ok := in.(fromNetwork); ok {
					<-p.box.room
					in = n.in
				}
				p.handle(in)
			}
		case <-timer.C:
			p.wake()
		}
	}
}

// untilDeadline is the time to the earlier deadline of the two machines.
func (p *Project) untilDeadline() time.Duration {
	at := core.Never
	if d, ok := p.over.Deadline(); ok {
		at = min(at, d)
	}
	if d, ok := p.work.Deadline(); ok {
		at = min(at, d)
	}
	if at == core.Never {
		return time.Hour
	}
	return max(0, at.Sub(p.now()))
}

func (p *Project) wake() {
	now := p.now()
	if d, ok := p.over.Deadline(); ok && d <= now {
		p.handle(overlay.Wake{})
	}
	if d, ok := p.work.Deadline(); ok && d <= now {
		p.handle(work.Wake{})
	}
}

// handle steps a machine with one input, then with every input that its effects made
// for the other machine or for itself, in order.
func (p *Project) handle(in any) {
	p.pending = append(p.pending, in)
	for i := 0; i < len(p.pending); i++ {
		next := p.pending[i]
		p.pending[i] = nil
		p.step(next)
	}
	p.pending = p.pending[:0]
}

// local queues an input for a machine of this node, behind those already queued.
func (p *Project) local(in any) { p.pending = append(p.pending, in) }

func (p *Project) step(in any) {
	switch in := in.(type) {
	case overlay.Input:
		p.effects = p.over.Step(p.now(), in, p.effects[:0])
		for _, e := range p.effects {
			p.doOverlay(e)
		}
		clear(p.effects)
	case work.Input:
		p.works = p.work.Step(p.now(), in, p.works[:0])
		for _, e := range p.works {
			p.doWork(e)
		}
		clear(p.works)
	case stream.Incoming:
		p.network(in)
	case func():
		in()
	}
}

// network turns what the links report into inputs of the machines.
func (p *Project) network(in stream.Incoming) {
	switch in := in.(type) {
	case stream.Received:
		p.deliver(in.Msg)
	case stream.PeerUp:
		p.local(overlay.PeerUp{Peer: in.Peer, Hello: in.Hello})
	case stream.PeerDown:
		p.local(overlay.PeerDown{Peer: in.Peer})
		p.local(work.PeerDown{Peer: in.Peer})
	case stream.SendFailed:
		if overlayOwns(in.Kind) {
			p.local(overlay.SendFailed{Peer: in.To})
		} else {
			p.local(work.SendFailed{Peer: in.To, Kind: in.Kind})
		}
	case stream.Rejected:
		p.events.publish(overlay.Rejected{From: in.From, Kind: in.Kind, Reason: in.Reason})
	}
}

// deliver routes a message by its prefix (paper, section 3.4.2).
func (p *Project) deliver(msg protocols.Message) {
	if overlayOwns(msg.Body.Kind()) {
		p.local(overlay.Receive{Msg: msg})
	} else {
		p.local(work.Receive{Msg: msg})
	}
}

func overlayOwns(k protocols.Kind) bool {
	switch k.Prefix() {
	case protocols.PrefixWOB, protocols.PrefixApp:
		return false
	case protocols.PrefixNode, protocols.PrefixCL:
		return true
	}
	return true
}
