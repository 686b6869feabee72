package node

import (
	"encoding/json"

	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/work"
)

// doApp carries out an effect on the application manager.
func (p *Project) doApp(e work.Effect) {
	switch e := e.(type) {
	case work.StartProc:
		cmd, ok := p.commands[e.App]
		if !ok {
			p.local(work.AppDown{Proc: e.Proc, Gen: e.Gen, Err: "application " + e.App + " is not installed"})
			return
		}
		p.apps.StartProc(e.Proc, e.Gen, cmd)
	case work.Call:
		p.apps.Call(e.Proc, e.Gen, e.Call, e.Method, e.Params)
	case work.Notify:
		p.apps.Notify(e.Proc, e.Gen, e.Method, e.Params)
	case work.Answer:
		var rpc *app.RPCError
		if e.Code != 0 {
			rpc = &app.RPCError{Code: e.Code, Message: e.Message}
			if e.Data != nil {
				rpc.Data, _ = json.Marshal(e.Data) // plain values of package appapi
			}
		}
		p.apps.Answer(e.Proc, e.Gen, json.RawMessage(e.ID), e.Result, rpc)
	case work.StopProc:
		p.apps.StopProc(e.Proc, e.Gen)
	case work.KillProc:
		p.apps.Kill(e.Proc, e.Gen)
	}
}

// fromApp turns what an application's process says into inputs of the work machine.
func (p *Project) fromApp(ev app.Event) {
	switch ev := ev.(type) {
	case app.Up:
		p.box.post(work.AppUp{Proc: ev.Proc, Gen: ev.Gen, Start: ev.Start})
	case app.Down:
		in := work.AppDown{Proc: ev.Proc, Gen: ev.Gen, Log: ev.Log}
		if ev.Err != nil {
			in.Err = ev.Err.Error()
		}
		p.box.post(in)
	case app.Reply:
		in := work.AppReply{Proc: ev.Proc, Gen: ev.Gen, Call: ev.Call, Result: wob.Raw(ev.Result)}
		if ev.Err != nil {
			in.Code, in.Err = ev.Err.Code, ev.Err.Message
		}
		p.box.post(in)
	case app.Request:
		p.box.post(work.AppRequest{Proc: ev.Proc, Gen: ev.Gen, ID: wob.Raw(ev.ID), Method: ev.Method, Params: wob.Raw(ev.Params)})
	case app.Note:
		p.box.post(work.AppNote{Proc: ev.Proc, Gen: ev.Gen, Method: ev.Method, Params: wob.Raw(ev.Params)})
	}
}
