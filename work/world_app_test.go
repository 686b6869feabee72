package work

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// span is a range of units.
type span [2]int

// rangeState is what the range application keeps of a WOB: what is to do, and every unit
// that was done, by itself or by merged children: the ledger.
type rangeState struct {
	Todo []span `json:"todo"`
	Done []span `json:"done"`
	Own  int    `json:"own"`
}

// appProc is a process of the range application.
type appProc struct {
	n      *node
	proc   int
	gen    uint64
	app    App
	dead   bool
	st     rangeState
	id     wob.ID
	lock   span // offered
	offer  string
	offers int
	open   uint64 // the OnCompute that is open
	since  core.Time
	part   float64 // of a unit
	asked  int     // requests, to tell old timers
	final  bool    // WOBFinished was accepted
}

func size(ss []span) int {
	n := 0
	for _, s := range ss {
		n += s[1] - s[0]
	}
	return n
}

// put adds a span to the ledger; an overlap is a unit counted twice.
func (st *rangeState) put(s span) error {
	if s[0] >= s[1] {
		return nil
	}
	i, _ := slices.BinarySearchFunc(st.Done, s, func(a, b span) int { return a[0] - b[0] })
	if i < len(st.Done) && st.Done[i][0] < s[1] || i > 0 && st.Done[i-1][1] > s[0] {
		return fmt.Errorf("%w: %v is in %v already", errWrong, s, st.Done)
	}
	st.Done = slices.Insert(st.Done, i, s)
	for j := max(i, 1); j < len(st.Done) && j <= i+1; {
		if st.Done[j-1][1] == st.Done[j][0] {
			st.Done[j-1][1] = st.Done[j][1]
			st.Done = slices.Delete(st.Done, j, j+1)
		} else {
			j++
		}
	}
	return nil
}

func raw(v any) wob.Raw {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return wob.Raw(b)
}

func (n *node) app(e Effect) {
	switch e := e.(type) {
	case StartProc:
		if old := n.procs[e.Proc]; old != nil && !old.dead {
			n.w.fail("%s starts process %d twice", n.id, e.Proc)
		}
		p := &appProc{n: n, proc: e.Proc, gen: e.Gen, app: n.w.known(e.App)}
		n.procs[e.Proc] = p
		if n.w.broken == e.App {
			p.dead = true
			n.later(20*time.Millisecond, AppDown{Proc: e.Proc, Gen: e.Gen, Err: "ended before it called Start", Log: "the last line"})
			return
		}
		n.later(20*time.Millisecond, AppUp{Proc: e.Proc, Gen: e.Gen,
			Start: appapi.StartParams{Protocol: 1, App: e.App, Threads: 1, Finish: n.w.finish}})
	case StopProc:
		n.end(e.Proc, e.Gen, "")
	case KillProc:
		n.end(e.Proc, e.Gen, "killed")
	case Call:
		p := n.procs[e.Proc]
		if p == nil || p.dead || p.gen != e.Gen {
			return
		}
		if n.w.crashes > 0 && n.w.rng.IntN(1000) < n.w.crashes {
			n.end(e.Proc, e.Gen, "crashed in "+e.Method)
			return
		}
		if k := string(n.id) + " " + e.Method; n.w.appCrash[k] > 0 {
			n.w.appCrash[k]--
			n.end(e.Proc, e.Gen, "crashed in "+e.Method)
			return
		}
		if k := string(n.id) + " " + e.Method; n.w.appSays[k] != "" {
			n.later(100*time.Microsecond, AppReply{Proc: e.Proc, Gen: e.Gen, Call: e.Call, Result: n.w.appSays[k]})
			delete(n.w.appSays, k)
			return
		}
		if e.Method == appapi.OnWOBInit && p.app.Version != n.w.known(p.app.Name).Version {
			n.w.fail("%s begins with version %s of %s", n.id, p.app.Version, p.app.Name)
		}
		p.handle(e)
	case Notify:
		if p := n.procs[e.Proc]; p != nil && !p.dead && p.gen == e.Gen {
			p.notified(e)
		}
	case Answer:
		if p := n.procs[e.Proc]; p != nil && !p.dead && p.gen == e.Gen && e.ID == `1` {
			p.final = e.Code == 0
			p.answerOpen(true)
		}
	}
}

func (n *node) end(proc int, gen uint64, err string) {
	p := n.procs[proc]
	if p == nil || p.dead || p.gen != gen {
		return
	}
	p.dead = true
	n.later(2*time.Millisecond, AppDown{Proc: proc, Gen: gen, Err: err, Log: "the last line"})
}

func (p *appProc) reply(call uint64, v any) {
	p.n.later(100*time.Microsecond, AppReply{Proc: p.proc, Gen: p.gen, Call: call, Result: raw(v)})
}

func (p *appProc) refuse(call uint64, code int) {
	p.n.later(100*time.Microsecond, AppReply{Proc: p.proc, Gen: p.gen, Call: call, Code: code, Err: "no"})
}

// advance does the work of the time that passed.
func (p *appProc) advance() {
	now := p.n.w.now
	if p.open == 0 {
		return
	}
	p.part += now.Sub(p.since).Seconds() * p.n.speed
	p.since = now
	for p.part >= 1-1e-6 && len(p.st.Todo) > 0 {
		s := &p.st.Todo[0]
		end := s[1]
		if p.lock != (span{}) && len(p.st.Todo) == 1 {
			end = p.lock[0]
		}
		n := min(int(p.part+1e-6), end-s[0])
		if n <= 0 {
			break
		}
		if err := p.st.put(span{s[0], s[0] + n}); err != nil && !p.n.w.hostile {
			p.n.w.fail("%s computes %s: %v", p.n.id, p.id, err)
		}
		s[0] += n
		p.st.Own += n
		p.part -= float64(n)
		if s[0] == s[1] {
			p.st.Todo = p.st.Todo[1:]
		}
	}
	if p.left() == 0 {
		p.part = 0
	}
}

// left is what this process may compute now.
func (p *appProc) left() int { return size(p.st.Todo) - (p.lock[1] - p.lock[0]) }

func (p *appProc) plan() {
	if p.open == 0 {
		return
	}
	p.asked++
	asked := p.asked
	d := time.Duration(float64(p.left())/p.n.speed*1e9) + time.Microsecond
	p.n.w.after(d, func() {
		if p.dead || !p.n.up || p.asked != asked || p.open == 0 {
			return
		}
		p.advance()
		if p.left() > 0 {
			p.plan()
		} else if p.lock == (span{}) {
			p.done()
		} // else the offer must be resolved first
	})
}

// done answers OnCompute; with finish "call" and nothing out it calls WOBFinished first.
func (p *appProc) done() {
	if p.n.w.finish == appapi.FinishCall && !p.final {
		p.n.later(100*time.Microsecond, AppRequest{Proc: p.proc, Gen: p.gen, ID: `1`, Method: appapi.WOBFinished,
			Params: raw(appapi.FinishedParams{Result: raw(p.st.Done)})})
		return
	}
	p.answerOpen(true)
}

func (p *appProc) answerOpen(done bool) {
	if p.open != 0 {
		p.reply(p.open, appapi.ComputeResult{Done: done})
		p.open = 0
	}
}

func (p *appProc) notified(e Notify) {
	p.advance()
	switch e.Method {
	case appapi.Suspend:
		if p.open != 0 {
			p.answerOpen(p.left() == 0 && p.lock == (span{}))
		}
	case appapi.OnWOBOfferRelease:
		if e.Params.(appapi.OfferParams).Offer == p.offer {
			p.lock, p.offer = span{}, ""
			p.plan()
		}
	}
}

func (p *appProc) handle(e Call) {
	p.advance()
	switch e.Method {
	case appapi.OnWOBInit:
		if p.open != 0 {
			p.n.w.fail("%s: OnWOBInit under an open OnCompute", p.n.id)
		}
		if err := p.init(e.Params.(appapi.WOBParams).WOB); err != nil {
			p.wrong(e.Call, err)
			return
		}
		p.reply(e.Call, struct{}{})
	case appapi.OnCompute:
		if p.open != 0 {
			p.n.w.fail("%s: OnCompute twice", p.n.id)
		}
		p.open, p.since = e.Call, p.n.w.now
		p.plan()
	case appapi.OnCheckpoint, appapi.OnAppExit:
		if e.Method == appapi.OnAppExit {
			p.open = 0
		}
		if p.lock != (span{}) {
			p.n.w.fail("%s: %s with an open offer", p.n.id, e.Method)
		}
		p.reply(e.Call, p.pack())
	case appapi.OnWOBRequest:
		p.reply(e.Call, p.request(e.Params.(appapi.RequestParams)))
	case appapi.OnWOBOfferAck:
		p.taken(e)
	case appapi.OnWOBChildFinished:
		p.merge(e)
	case appapi.OnWOBChildReturn:
		var b span
		params := e.Params.(appapi.ReturnParams)
		_ = json.Unmarshal([]byte(params.Boundary), &b)
		p.st.Todo = append(p.st.Todo, b)
		if p.lock != (span{}) { // keep the locked part last
			n := len(p.st.Todo)
			p.st.Todo[n-1], p.st.Todo[n-2] = p.st.Todo[n-2], p.st.Todo[n-1]
		}
		p.reply(e.Call, struct{}{})
		p.plan()
	case appapi.OnWOBChildLost:
		if p.n.w.lostSays == "" {
			p.refuse(e.Call, appapi.CodeUnknownMethod)
		} else {
			p.reply(e.Call, appapi.LostResult{Action: p.n.w.lostSays})
		}
	default:
		p.refuse(e.Call, appapi.CodeUnknownMethod)
	}
}

// wrong fails the test, unless an attacker sends WOBs that make no sense; then the call fails.
func (p *appProc) wrong(call uint64, err error) {
	if !p.n.w.hostile {
		p.n.w.fail("%s, %s: %v", p.n.id, p.id, err)
	}
	p.refuse(call, appapi.CodeInternal)
}

func (p *appProc) init(w appapi.WOB) error {
	p.st, p.id, p.lock, p.offer, p.part, p.final = rangeState{}, w.ID, span{}, "", 0, false
	if w.Checkpoint.IsNull() {
		var b span
		_ = json.Unmarshal([]byte(w.Boundary), &b)
		p.st.Todo = []span{b}
		return nil
	}
	return json.Unmarshal([]byte(w.Checkpoint), &p.st)
}

func (p *appProc) pack() appapi.Packed {
	todo := size(p.st.Todo)
	return appapi.Packed{Checkpoint: raw(p.st), Result: raw(p.st.Done),
		Effort: wob.Effort{Total: float64(todo + p.st.Own), Remaining: float64(todo)}}
}

func (p *appProc) request(q appapi.RequestParams) appapi.RequestResult {
	if p.lock != (span{}) {
		p.n.w.fail("%s: two open offers for %s", p.n.id, p.id)
	}
	if len(p.st.Todo) == 0 || p.open == 0 {
		return appapi.RequestResult{}
	}
	s := p.st.Todo[len(p.st.Todo)-1]
	share := int(float64(s[1]-s[0]) * q.Request.Node.Speed / (q.Request.Node.Speed + q.Self.Speed))
	if share < p.n.w.minSplit {
		return appapi.RequestResult{}
	}
	p.offers++
	p.lock, p.offer = span{s[1] - share, s[1]}, fmt.Sprint(p.offers)
	p.plan()
	return appapi.RequestResult{Offer: &appapi.Offer{ID: p.offer, Effort: float64(share)}}
}

func (p *appProc) taken(e Call) {
	params := e.Params.(appapi.OfferParams)
	if p.offer == "" || params.Offer != p.offer {
		p.refuse(e.Call, appapi.CodeUnknownOffer)
		return
	}
	s := &p.st.Todo[len(p.st.Todo)-1]
	s[1] = p.lock[0]
	if s[0] == s[1] {
		p.st.Todo = p.st.Todo[:len(p.st.Todo)-1]
	}
	n := float64(p.lock[1] - p.lock[0])
	child := appapi.NewChild{Boundary: raw(p.lock), Effort: wob.Effort{Total: n, Remaining: n}}
	p.lock, p.offer = span{}, ""
	p.reply(e.Call, appapi.OfferAckResult{Child: child})
	p.plan()
}

func (p *appProc) merge(e Call) {
	child := e.Params.(appapi.WOBParams).WOB
	var done []span
	if err := json.Unmarshal([]byte(child.Result), &done); err != nil {
		p.wrong(e.Call, err)
		return
	}
	for _, s := range done {
		if err := p.st.put(s); err != nil {
			p.wrong(e.Call, fmt.Errorf("merging %s: %w", child.ID, err))
			return
		}
	}
	p.reply(e.Call, struct{}{})
}
