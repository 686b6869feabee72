package overlay

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// TestStories plays the stories in testdata. Every file is one world; its commands:
//
//	config [heartbeat=3s] [min=3] [reserve=10] before the first start
//	gateway up | down | workload=N
//	start NODE.. [capacity=100] [private]   starts or restarts nodes, one after the other
//	run 10s                                 lets time pass
//	kill NODE..                             the process dies, its connections reset
//	cut A B | heal                          messages between A and B vanish in silence
//	lose A B KIND..                         from here on these messages from A to B vanish,
//	                                        until heal or the next lose
//	hold NODE WOB [state=running] [left=100] [parent=WOB] [epoch=1] [app=primes]
//	release NODE WOB [gone] [holder=NODE]   moved elsewhere, or finished for good
//	locate NODE WOB                         prints the answer, within the wait for it
//	find NODE [app=primes]                  prints the places
//	notify NODE                             work became available there
//	leave NODE.. [begins]                   prints how long each took, to 100 ms; with begins
//	                                        it goes on while time passes
//	state                                   prints every node's place
//	index NODE                              prints the index there
//	events [NODE..]                         prints the events since the last time
//	show [KIND..] [from=NODE] [to=NODE]     from here on prints these messages when they are
//	                                        sent, before what the command prints
//
// WOBs are w1, w2, ..; random choices come from a fixed seed.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{w: newWorld(t, 1)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.w.t = t
			f := storyCommands[d.Cmd]
			if f == nil {
				t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			}
			s.shown.lines.Reset()
			out := f(s, d)
			return s.shown.lines.String() + out
		})
	})
}

type story struct {
	w     *world
	token uint64
	shown showing
}

var storyCommands = map[string]func(*story, *datadriven.TestData) string{
	"config": (*story).config, "gateway": (*story).gateway, "start": (*story).start, "run": (*story).run,
	"kill": (*story).kill, "cut": (*story).cut, "heal": (*story).heal, "lose": (*story).lose, "hold": (*story).hold,
	"release": (*story).release, "locate": (*story).locate, "find": (*story).find, "notify": (*story).notify,
	"leave": (*story).leave, "state": (*story).state, "index": (*story).index, "events": (*story).events,
	"show": (*story).show,
}

// args splits a command's arguments into words and key=value settings.
func args(d *datadriven.TestData) (words []string, set map[string]string) {
	set = map[string]string{}
	for _, a := range d.CmdArgs {
		if len(a.Vals) > 0 {
			set[a.Key] = a.Vals[0]
		} else {
			words = append(words, a.Key)
		}
	}
	return words, set
}

func number(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return otherwise
}

func wobID(name string) wob.ID { return testID(number(strings.TrimPrefix(name, "w"), 0)) }

func wobName(id wob.ID) string {
	if id == "" {
		return "-"
	}
	return "w" + strconv.Itoa(number(string(id[24:]), 0))
}

func (s *story) config(d *datadriven.TestData) string {
	_, set := args(d)
	s.w.tweak = func(c *Config) {
		c.MinSupervisors = number(set["min"], c.MinSupervisors)
		c.Reserve = number(set["reserve"], c.Reserve)
		if beat, err := time.ParseDuration(set["heartbeat"]); err == nil {
			c.Heartbeat = beat
		}
	}
	return ""
}

func (s *story) gateway(d *datadriven.TestData) string {
	words, set := args(d)
	if len(words) > 0 {
		s.w.gw.set(s.w, words[0] == "down")
	}
	s.w.gw.workload = uint64(number(set["workload"], int(s.w.gw.workload)))
	return ""
}

func (s *story) start(d *datadriven.TestData) string {
	words, set := args(d)
	public := !slices.Contains(words, "private")
	for _, id := range words {
		if id != "private" {
			s.w.start(wob.NodeID(id), number(set["capacity"], 100), public)
			s.w.run(100 * time.Millisecond)
		}
	}
	return ""
}

func (s *story) run(d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		length, err := time.ParseDuration(a.Key)
		if err != nil {
			return err.Error()
		}
		s.w.run(length)
	}
	return ""
}

func (s *story) kill(d *datadriven.TestData) string {
	words, _ := args(d)
	for _, id := range words {
		s.w.kill(wob.NodeID(id))
	}
	return ""
}

func (s *story) cut(d *datadriven.TestData) string {
	words, _ := args(d)
	for i, a := range words {
		for _, b := range words[i+1:] {
			s.w.cuts[pair(wob.NodeID(a), wob.NodeID(b))] = true
		}
	}
	return ""
}

func (s *story) lose(d *datadriven.TestData) string {
	words, _ := args(d)
	s.w.lose = func(from, to wob.NodeID, body protocols.Body) bool {
		return string(from) == words[0] && string(to) == words[1] && slices.Contains(words[2:], string(body.Kind()))
	}
	return ""
}

func (s *story) heal(*datadriven.TestData) string {
	clear(s.w.cuts)
	s.w.lose = nil
	return ""
}

func (s *story) entry(words []string, set map[string]string) protocols.Entry {
	e := running(0)
	e.ID, e.Remaining = wobID(words[1]), float64(number(set["left"], 100))
	e.Inc = wob.Incarnation{Epoch: uint64(number(set["epoch"], 1)), Holder: wob.NodeID(set["holder"])}
	if set["state"] != "" {
		e.State = wob.State(set["state"])
	}
	if set["parent"] != "" {
		e.Parent = wobID(set["parent"])
	}
	if set["app"] != "" {
		e.App = set["app"]
	}
	return e
}

func (s *story) hold(d *datadriven.TestData) string {
	words, set := args(d)
	s.w.step(wob.NodeID(words[0]), Hold{s.entry(words, set)})
	return ""
}

func (s *story) release(d *datadriven.TestData) string {
	words, set := args(d)
	s.w.step(wob.NodeID(words[0]), Release{Entry: s.entry(words, set), Gone: slices.Contains(words, "gone")})
	return ""
}

func (s *story) locate(d *datadriven.TestData) string {
	words, _ := args(d)
	s.token++
	id, out := wob.NodeID(words[0]), ""
	from := len(s.w.nodes[id].events)
	s.w.step(id, Locate{Token: s.token, WOB: wobID(words[1])})
	s.w.until(10*time.Second, "an answer", func() bool {
		for _, e := range s.w.nodes[id].events[from:] {
			if l, ok := e.(Located); ok && l.Token == s.token {
				out = fmt.Sprintf("%s %s", l.Answer, describe(l.Entry))
			}
		}
		return out != ""
	})
	return strings.TrimSuffix(out, " ") + "\n"
}

func (s *story) find(d *datadriven.TestData) string {
	words, set := args(d)
	s.token++
	id, request, out := wob.NodeID(words[0]), fmt.Sprintf("r%d", s.token), ""
	app := set["app"]
	if app == "" {
		app = "primes"
	}
	from := len(s.w.nodes[id].events)
	s.w.step(id, Find{Request: request, Apps: []string{app}, Slots: 1})
	s.w.until(10*time.Second, "an answer", func() bool {
		for _, e := range s.w.nodes[id].events[from:] {
			if a, ok := e.(WorkAt); ok && a.Request == request {
				out = fmt.Sprintf("gateway=%t busy=%t", a.Gateway, a.Busy)
				for _, p := range a.Places {
					out += fmt.Sprintf(" %s@%s", wobName(p.WOB), p.Holder)
				}
			}
		}
		return out != ""
	})
	return out + "\n"
}

func (s *story) notify(d *datadriven.TestData) string {
	words, _ := args(d)
	s.w.step(wob.NodeID(words[0]), WorkAvailable{testID(1)})
	return ""
}

func (s *story) leave(d *datadriven.TestData) string {
	words, _ := args(d)
	out := ""
	begins := slices.Contains(words, "begins")
	for _, id := range words {
		if id == "begins" {
			continue
		}
		h, begin := s.w.nodes[wob.NodeID(id)], s.w.now
		s.w.step(wob.NodeID(id), Leave{})
		if begins {
			continue
		}
		s.w.until(2*time.Second, "left", func() bool { return h.role == Idling })
		out += fmt.Sprintf("%s left after %v\n", id, s.w.now.Sub(begin).Round(100*time.Millisecond))
		s.w.kill(wob.NodeID(id))
	}
	return out
}

func (s *story) state(*datadriven.TestData) string { return s.w.describe() }

func (s *story) index(d *datadriven.TestData) string {
	words, _ := args(d)
	out := ""
	for _, e := range s.w.nodes[wob.NodeID(words[0])].All() {
		out += describe(e) + "\n"
	}
	return out
}

func describe(e protocols.Entry) string {
	if e.ID == "" {
		return ""
	}
	out := fmt.Sprintf("%s %s@%s epoch=%d", wobName(e.ID), e.State, e.Inc.Holder, e.Inc.Epoch)
	if e.Stale {
		out += " outdated"
	}
	if e.Gone {
		out += " gone"
	}
	return out
}

func (s *story) events(d *datadriven.TestData) string {
	words, _ := args(d)
	out := ""
	for _, id := range slices.Sorted(maps.Keys(s.w.nodes)) {
		h := s.w.nodes[id]
		if len(words) == 0 || slices.Contains(words, string(id)) {
			for _, e := range h.events {
				if line := eventLine(e); line != "" {
					out += fmt.Sprintf("%s: %s\n", id, line)
				}
			}
			h.events = nil
		}
	}
	return out
}

func eventLine(e Event) string {
	switch e := e.(type) {
	case Joined:
		return fmt.Sprintf("joined at %s", e.Supervisor)
	case Isolated:
		return "isolated"
	case Elected:
		return fmt.Sprintf("elected %s at epoch %d", e.Node, e.Epoch)
	case Removed:
		return fmt.Sprintf("removed %s at epoch %d", e.Node, e.Epoch)
	case MemberUp:
		return fmt.Sprintf("member %s up", e.Node)
	case MemberDown:
		return fmt.Sprintf("member %s down: %s", e.Node, e.Reason)
	case WorkloadRose:
		return fmt.Sprintf("workload rose to %d/%d", e.Workload.Gateway, e.Workload.Cluster)
	case EntryGone:
		return "gone " + describe(e.Entry)
	case NewerKnown:
		return "newer " + describe(e.Entry)
	case ChildrenLost:
		out := "children lost:"
		for _, c := range e.Entries {
			out += " " + wobName(c.ID)
		}
		return out
	case Rejected:
		return fmt.Sprintf("rejected %s of %s: %s", e.Kind, e.From, e.Reason)
	case Left:
		return "left"
	}
	return "" // the views and answers are shown by other commands
}
