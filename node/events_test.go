package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/work"
)

func quietBus() *Bus { return newBus("p", slog.New(slog.DiscardHandler)) }

// examples are events of both machines with something in every field that has fields.
var examples = []any{
	overlay.Joined{Cluster: "c"}, overlay.Isolated{}, overlay.Elected{}, overlay.Removed{}, overlay.MemberUp{},
	overlay.MemberDown{}, overlay.WorkloadRose{}, overlay.Rejected{}, overlay.Left{},
	overlay.ViewChanged{View: protocols.View{Supervisors: []protocols.Supervisor{{}}}},
	overlay.Located{Entry: protocols.Entry{Addrs: []string{"/ip4/1.2.3.4"}}},
	overlay.WorkAt{Places: []protocols.WorkAt{{Addrs: []string{"/ip4/1.2.3.4"}}}},
	overlay.EntryGone{}, overlay.ChildrenLost{Entries: []protocols.Entry{{}}}, overlay.NewerKnown{},
	work.Asked{}, work.Refused{}, work.Received{}, work.Computing{}, work.Split{}, work.Checkpointed{}, work.Progressed{},
	work.Waits{}, work.Finished{}, work.Acked{}, work.MergedChild{}, work.Recovered{}, work.Reclaimed{}, work.Moved{},
	work.Suspended{}, work.Dropped{}, work.AppFailed{}, work.GaveUp{}, work.Rejected{}, work.Left{},
}

// Every event of the machines reaches listeners as JSON with names in lower camel case,
// at any depth.
func TestEventsAsJSON(t *testing.T) {
	known := map[string]bool{}
	for _, fact := range examples {
		known[fmt.Sprintf("%T", fact)] = true
		b := quietBus()
		events, cancel := b.Subscribe(1)
		b.publish(fact)
		cancel()
		raw, err := json.Marshal(<-events)
		require.NoError(t, err, "%T", fact)
		var decoded map[string]any
		require.NoError(t, json.Unmarshal(raw, &decoded))
		require.Regexp(t, camel, decoded["event"])
		require.Equal(t, "p", decoded["project"])
		require.NotNil(t, decoded["data"], "an object, even without fields")
		names(t, fmt.Sprintf("%T", fact), decoded)
	}
	for _, pkg := range []string{"overlay", "work"} {
		for _, name := range eventsOf(t, pkg) {
			require.True(t, known[pkg+"."+name], "%s.%s is an event, but no example here", pkg, name)
		}
	}
}

var camel = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

func names(t *testing.T, of string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			require.Regexp(t, camel, k, "in %s", of)
			names(t, of, e)
		}
	case []any:
		for _, e := range v {
			names(t, of, e)
		}
	}
}

// eventsOf lists the types of a machine's package that have the method isEvent.
func eventsOf(t *testing.T, pkg string) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../"+pkg+"/api.go", nil, 0)
	require.NoError(t, err)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "isEvent" && f.Recv != nil {
			all = append(all, f.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	require.NotEmpty(t, all)
	return all
}

func TestLowerFirst(t *testing.T) {
	for name, want := range map[string]string{
		"Split": "split", "MergedChild": "mergedChild", "WOB": "wob", "ID": "id", "WOBMoved": "wobMoved", "x": "x", "": "", "A": "a",
	} {
		require.Equal(t, want, lowerFirst(name))
	}
}

// A listener that does not keep up loses events and sees a gap; nobody waits for it.
func TestSlowListenerSeesAGap(t *testing.T) {
	b := quietBus()
	slow, cancelSlow := b.Subscribe(2)
	fast, cancelFast := b.Subscribe(10)
	for i := range 5 {
		b.publish(work.Waits{WOB: "w", Out: i})
	}
	for i := range 5 {
		ev := <-fast
		require.EqualValues(t, i+1, ev.ID)
		require.Equal(t, map[string]any{"wob": wob.ID("w"), "out": int64(i)}, ev.Data)
		require.WithinDuration(t, time.Now(), ev.Time, time.Minute)
	}
	require.EqualValues(t, 1, (<-slow).ID)
	require.EqualValues(t, 2, (<-slow).ID)
	b.publish(work.Waits{})
	require.EqualValues(t, 6, (<-slow).ID, "3, 4 and 5 are missing")
	cancelSlow()
	cancelSlow()
	_, open := <-slow
	require.False(t, open)
	b.publish(work.Waits{})
	require.EqualValues(t, 6, (<-fast).ID)
	cancelFast()
	require.Equal(t, map[string]uint64{"waits": 7}, b.Counts())
}

func TestEventLine(t *testing.T) {
	require.Equal(t, `waits {"out":2,"wob":"w"}`, Event{Name: "waits", Data: map[string]any{"wob": "w", "out": 2}}.Line())
	require.Equal(t, "left", Event{Name: "left"}.Line())
}

// What goes wrong is a warning in the log, what happens all the time is for debugging.
func TestEventLevels(t *testing.T) {
	var log bytes.Buffer
	b := newBus("p", slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})))
	b.publish(work.AppFailed{Error: "crashed"})
	b.publish(work.Checkpointed{})
	b.publish(work.Moved{})
	require.Contains(t, log.String(), "level=WARN msg=AppFailed")
	require.Contains(t, log.String(), "level=INFO msg=Moved")
	require.NotContains(t, log.String(), "Checkpointed")
}
