package work

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// TestStories plays testdata/*.txt. The commands:
//
//	world [finish=call] [lost=recover|wait|reclaim] [checkpoint=5s] [minsplit=2] [broken=NAME]
//	                        begins anew; an application beside range may be broken: it ends
//	                        before it calls Start
//	node NAME [slots=1] [speed=1000] [member]
//	                        adds a node; a supervisor unless it is a member only
//	upgrade                 a new version of range is installed everywhere; no WOB begins
//	                        with the old one any more
//	mended                  a new version of the broken application is installed everywhere
//	job UNITS [app=range]   injects a root, a range of so many units a thousand a second
//	run DURATION [until=EVENT]
//	                        lets time pass and prints the events of all nodes, but not the
//	                        search for work and checkpoints unless they are named by show
//	show EVENT|KIND ...     events printed as well, and messages when they are sent
//	drop KIND [from=N] [to=N] [times=1]
//	                        loses messages
//	crash NAME, start NAME, cut NAME, mend NAME, pause NAME, resume NAME
//	leave NAME GRACE        says Leave
//	appcrash NAME METHOD [times=1]
//	                        the application ends instead of answering the method
//	appsays NAME METHOD     the application answers the method with the input, once
//	appcall NAME METHOD     the application in the first process calls the method with the
//	                        input; what it is answered is printed, and messages for it
//	cancel, gateway up|down the owner cancels the root; the gateway is not reached
//	held, backups, result   what the nodes hold, their disks keep for others, the gateway has
//
// WOBs are printed by the order of their birth: #1 is the root.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			out := s.do(d)
			if s.w != nil && s.w.err != nil {
				t.Fatalf("%s: %v", d.Pos, s.w.err)
			}
			return out
		})
	})
}

type story struct {
	t     *testing.T
	w     *world
	out   strings.Builder
	shown map[string]bool
	drops []*dropping
	until string
	job   wob.ID
	units []int
}

type dropping struct {
	kind     protocols.Kind
	from, to wob.NodeID
	times    int
}

var storyCommands = map[string]func(*story, *datadriven.TestData, []string){
	"world": (*story).world,
	"node": func(s *story, d *datadriven.TestData, args []string) {
		slots := 1
		d.MaybeScanArgs(s.t, "slots", &slots)
		n := s.w.add(wob.NodeID(args[0]), slots, !d.HasArg("member"), nil)
		d.MaybeScanArgs(s.t, "speed", &n.speed)
	},
	"job": func(s *story, d *datadriven.TestData, args []string) {
		var units int
		app := s.w.app.Name
		d.MaybeScanArgs(s.t, "app", &app)
		fmt.Sscan(args[0], &units)
		s.units = append(s.units, units)
		s.job = s.w.jobOf(app, units)
	},
	"run": func(s *story, d *datadriven.TestData, args []string) {
		s.until = ""
		d.MaybeScanArgs(s.t, "until", &s.until)
		found := s.until == ""
		s.w.run(mustDuration(s.t, args[0]), func() bool { found = found || s.until == "!"; return s.until == "!" })
		if !found {
			fmt.Fprintf(&s.out, "no %s\n", s.until)
		}
	},
	"show": func(s *story, _ *datadriven.TestData, args []string) {
		for _, a := range args {
			s.shown[a] = true
		}
	},
	"drop":   (*story).drop,
	"crash":  nodeCommand(func(s *story, n *node) { n.crash() }),
	"start":  nodeCommand(func(s *story, n *node) { n.revive() }),
	"cut":    nodeCommand(func(s *story, n *node) { s.w.cut[n.id] = true; s.w.viewChanged(); s.w.hint(n.id) }),
	"mend":   nodeCommand(func(s *story, n *node) { s.w.mend(n) }),
	"pause":  nodeCommand(func(s *story, n *node) { n.step(Pause{}) }),
	"resume": nodeCommand(func(s *story, n *node) { n.step(Resume{}) }),
	"leave": func(s *story, _ *datadriven.TestData, args []string) {
		s.w.nodes[wob.NodeID(args[0])].step(Leave{Grace: mustDuration(s.t, args[1])})
	},
	"appcrash": func(s *story, d *datadriven.TestData, args []string) {
		times := 1
		d.MaybeScanArgs(s.t, "times", &times)
		s.w.appCrash[args[0]+" "+args[1]] = times
	},
	"mended": func(s *story, _ *datadriven.TestData, _ []string) {
		s.w.broken, s.w.other.Version = "", "1.0.1"
		s.install()
	},
	"upgrade": func(s *story, _ *datadriven.TestData, _ []string) {
		s.w.app.Version = "1.1.0"
		s.install()
	},
	"appsays": func(s *story, d *datadriven.TestData, args []string) {
		s.w.appSays[args[0]+" "+args[1]] = wob.Raw(strings.TrimSpace(d.Input))
	},
	"appcall": (*story).appCall,
	"cancel":  func(s *story, _ *datadriven.TestData, _ []string) { s.w.gate.roots[s.job].cancelled = true },
	"gateway": func(s *story, _ *datadriven.TestData, args []string) { s.w.gate.down = args[0] == "down" },
	"held":    (*story).held,
	"backups": (*story).backups,
	"result":  (*story).result,
}

func (s *story) install() {
	for _, id := range s.w.order {
		s.w.nodes[id].step(s.w.installed())
	}
}

func nodeCommand(f func(*story, *node)) func(*story, *datadriven.TestData, []string) {
	return func(s *story, _ *datadriven.TestData, args []string) { f(s, s.w.nodes[wob.NodeID(args[0])]) }
}

func mustDuration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *story) do(d *datadriven.TestData) string {
	var args []string
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			args = append(args, a.Key)
		}
	}
	cmd := storyCommands[d.Cmd]
	if cmd == nil {
		s.t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
	}
	s.out.Reset()
	cmd(s, d, args)
	if s.out.Len() == 0 {
		return "ok"
	}
	return s.out.String()
}

func (s *story) world(d *datadriven.TestData, _ []string) {
	*s = story{t: s.t, w: newWorld(1), shown: map[string]bool{}}
	d.MaybeScanArgs(s.t, "finish", &s.w.finish)
	d.MaybeScanArgs(s.t, "lost", &s.w.lostSays)
	d.MaybeScanArgs(s.t, "minsplit", &s.w.minSplit)
	if d.MaybeScanArgs(s.t, "broken", &s.w.broken); s.w.broken != "" {
		s.w.other = &App{Name: s.w.broken, Version: "1.0.0", Threads: 1, Checkpoint: 5 * time.Second}
	}
	var checkpoint string
	if d.MaybeScanArgs(s.t, "checkpoint", &checkpoint); checkpoint != "" {
		s.w.app.Checkpoint = mustDuration(s.t, checkpoint)
	}
	s.w.onEvent = s.event
	s.w.watch = s.sent
	s.w.drop = s.lose
}

var quiet = []string{"Asked", "Refused", "Checkpointed", "Progressed"}

func (s *story) event(n wob.NodeID, e Event) {
	name := strings.TrimPrefix(fmt.Sprintf("%T", e), "work.")
	if !slices.Contains(quiet, name) || s.shown[name] {
		s.line(n, fmt.Sprintf("%s%+v", name, e))
	}
	if name == s.until {
		s.until = "!"
	}
}

func (s *story) sent(n wob.NodeID, e Effect) {
	if m, ok := e.(Send); ok && s.shown[string(m.Body.Kind())] {
		text := fmt.Sprintf("%+v", m.Body)
		if c, ok := m.Body.(protocols.Carrier); ok {
			text = ""
			for _, w := range c.Carried() {
				text += fmt.Sprintf(" %s v%d %s", w.ID, w.Version, w.State)
			}
		}
		s.line(n, fmt.Sprintf("-> %s %s%s", m.To, m.Body.Kind(), text))
	}
	switch e := e.(type) {
	case Answer:
		result := raw(e.Result)
		s.line(n, fmt.Sprintf("answers %s: %.300s %d %s %s", e.ID, result, e.Code, e.Message, raw(e.Data)))
	case Notify:
		if e.Method == appapi.OnWOBMsg {
			s.line(n, fmt.Sprintf("OnWOBMsg %s", raw(e.Params)))
		}
	}
	if c, ok := e.(Call); ok && s.shown[c.Method] {
		s.line(n, fmt.Sprintf("calls %s on %d", c.Method, c.Proc))
	}
}

var uuid = regexp.MustCompile(`0*([0-9a-f]+)-0000-4000-8000-[0-9a-f]{12}`)

func (s *story) line(n wob.NodeID, text string) {
	at := time.Duration(s.w.now).Round(time.Millisecond)
	fmt.Fprintf(&s.out, "%7.3fs %s: %s\n", at.Seconds(), n, uuid.ReplaceAllString(text, "#$1"))
}

var short = regexp.MustCompile(`#([0-9a-f]+)`)

func (s *story) appCall(d *datadriven.TestData, args []string) {
	n := s.w.nodes[wob.NodeID(args[0])]
	params := short.ReplaceAllStringFunc(strings.TrimSpace(d.Input), func(id string) string {
		return fmt.Sprintf("%08s-0000-4000-8000-%012s", id[1:], id[1:])
	})
	if p := n.procs[0]; args[1] == appapi.Progress || args[1] == appapi.NotifyWorkloadAvailable {
		n.step(AppNote{Proc: 0, Gen: p.gen, Method: args[1], Params: wob.Raw(params)})
	} else {
		n.step(AppRequest{Proc: 0, Gen: p.gen, ID: "7", Method: args[1], Params: wob.Raw(params)})
	}
}

func (s *story) drop(d *datadriven.TestData, args []string) {
	x := &dropping{kind: protocols.Kind(args[0]), times: 1}
	var from, to string
	d.MaybeScanArgs(s.t, "from", &from)
	d.MaybeScanArgs(s.t, "to", &to)
	d.MaybeScanArgs(s.t, "times", &x.times)
	x.from, x.to = wob.NodeID(from), wob.NodeID(to)
	s.drops = append(s.drops, x)
}

func (s *story) lose(from, to wob.NodeID, b protocols.Body) bool {
	for _, x := range s.drops {
		if x.kind == b.Kind() && x.times > 0 && (x.from == "" || x.from == from) && (x.to == "" || x.to == to) {
			x.times--
			s.line(from, fmt.Sprintf("lost on the way to %s: %s", to, b.Kind()))
			return true
		}
	}
	return false
}

func (s *story) held(*datadriven.TestData, []string) {
	for _, id := range s.w.order {
		n := s.w.nodes[id]
		if !n.up {
			continue
		}
		for _, h := range n.m.Snapshot().WOBs {
			text := fmt.Sprintf("%s %s %s v%d epoch %d moves %d out %d copies %d", h.ID, h.State, h.Phase, h.Version, h.Epoch, h.Moves, h.Out, h.Copies)
			fmt.Fprintf(&s.out, "%s: %s\n", id, uuid.ReplaceAllString(text, "#$1"))
		}
	}
	if s.out.Len() == 0 {
		s.out.WriteString("nothing")
	}
}

func (s *story) backups(*datadriven.TestData, []string) {
	for _, id := range s.w.order {
		d := &s.w.nodes[id].disk
		for _, b := range sortedKeys(d.backups) {
			w := d.backups[b]
			text := fmt.Sprintf("%s %s v%d of %s, out %d", w.ID, w.State, w.Version, w.Holder, len(w.Out()))
			fmt.Fprintf(&s.out, "%s keeps %s\n", id, uuid.ReplaceAllString(text, "#$1"))
		}
	}
	if s.out.Len() == 0 {
		s.out.WriteString("nothing")
	}
}

func (s *story) result(*datadriven.TestData, []string) {
	for i, id := range s.w.gate.order {
		switch r := s.w.gate.roots[id]; {
		case r.cancelled:
			s.out.WriteString("cancelled\n")
		case r.done == nil:
			s.out.WriteString("none\n")
		case r.done.State != wob.Finished:
			fmt.Fprintf(&s.out, "%s %+v\n", r.done.State, r.done.Failures)
		case r.done.Result == raw([]span{{0, s.units[i]}}):
			fmt.Fprintf(&s.out, "exact, stats %+v\n", r.done.Stats)
		default:
			s.w.fail("%w: %s", errWrong, r.done.Result)
		}
	}
}
