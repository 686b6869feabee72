package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/wob"
)

func TestCompleteRefusesNonsense(t *testing.T) {
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "x"), nil, 0o600))
	good := Config{App: "primes", Nodes: 4, Capacity: 100}
	require.NoError(t, good.Complete())
	require.Equal(t, int64(10_000_000_000), good.Limit)
	for says, change := range map[string]func(*Config){
		"nqueens and primes": func(c *Config) { c.App = "nothing" },
		"--limit -1":         func(c *Config) { c.Limit = -1 },
		"from 1 to 27":       func(c *Config) { c.App, c.Limit = "nqueens", 28 },
		"--nodes 0":          func(c *Config) { c.Nodes = 0 },
		"--nodes 100000":     func(c *Config) { c.Nodes = 100000 },
		"--capacity 1":       func(c *Config) { c.Capacity = 1 },
		"must survive":       func(c *Config) { c.Kill = 4 },
		"--kill -1":          func(c *Config) { c.Kill = -1 },
		"not empty":          func(c *Config) { c.Keep = full },
	} {
		c := Config{App: "primes", Nodes: 4, Capacity: 100}
		change(&c)
		require.ErrorContains(t, c.Complete(), says)
	}
}

func TestJudge(t *testing.T) {
	want := int64(25)
	r := Result{Result: "25"}
	r.judge(&want)
	require.True(t, *r.OK)
	for _, wrong := range []wob.Raw{"24", "", `"25"`, `{"n":25}`, "25.5"} {
		r := Result{Result: wrong}
		r.judge(&want)
		require.False(t, *r.OK, "%s", wrong)
		require.Contains(t, r.String(), "WRONG")
	}
	r = Result{Result: "25"}
	r.judge(nil)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(b), `"expected":null,"ok":null`, "nothing is claimed that was not checked")
}

// teller feeds a tracker with the lines that nodes print.
type teller struct {
	t     *testing.T
	track *tracker
	now   time.Time
}

func (l *teller) tell(node int, format string, args ...any) {
	l.t.Helper()
	var e event
	require.NoError(l.t, json.Unmarshal(fmt.Appendf(nil, format, args...), &e))
	l.track.handle(node, &e, l.now)
}

func (l *teller) effort(node int, name, id string, total, remaining float64) {
	l.t.Helper()
	l.tell(node, `{"event":%q,"data":{"wob":%q,"copies":2,"effort":{"total":%g,"remaining":%g}}}`, name, id, total, remaining)
}

// twoNodes computes a WOB of 1000, 400 of it given to a child on the second node.
func twoNodes(t *testing.T) *teller {
	now := time.Unix(1000, 0)
	l := &teller{t, newTracker(2, now), now}
	l.effort(0, "computing", "root", 1000, 1000)
	l.tell(0, `{"event":"split","data":{"wob":"root","child":"kid","to":"x","effort":400}}`)
	l.effort(1, "computing", "kid", 400, 400)
	return l
}

func TestTrackerCountsEffortOnce(t *testing.T) {
	l := twoNodes(t)
	done, total := l.track.totals()
	require.Equal(t, []float64{0, 1000}, []float64{done, total})
	l.effort(0, "progressed", "root", 600, 450)
	l.effort(1, "progressed", "kid", 400, 300)
	require.InDelta(t, 0.25, l.track.share(), 1e-9)
	l.tell(1, `{"event":"finished","data":{"wob":"kid"}}`)
	require.InDelta(t, 0.55, l.track.share(), 1e-9)
	require.Empty(t, l.track.nodes[1].wob)
	l.tell(0, `{"event":"mergedChild","data":{"parent":"root","child":"kid"}}`)
	l.tell(0, `{"event":"waits","data":{"wob":"root","out":0}}`)
	require.InDelta(t, 1, l.track.share(), 1e-9)
	require.Equal(t, []int{1, 1}, []int{l.track.splits, l.track.merges})
}

// A child that speaks before its parent's node told of the split is not counted twice.
func TestTrackerTakesEventsInAnyOrder(t *testing.T) {
	now := time.Unix(1000, 0)
	l := &teller{t, newTracker(2, now), now}
	l.effort(0, "computing", "root", 1000, 1000)
	l.effort(1, "computing", "kid", 400, 100)
	l.tell(0, `{"event":"split","data":{"wob":"root","child":"kid","effort":400}}`)
	done, total := l.track.totals()
	require.Equal(t, []float64{300, 1000}, []float64{done, total})
}

func TestVictimHoldsWorkInACheckpoint(t *testing.T) {
	l := twoNodes(t)
	_, ok := l.track.victim()
	require.False(t, ok, "nothing is in a checkpoint yet")
	l.tell(0, `{"event":"checkpointed","data":{"wob":"root","copies":0,"effort":{"total":600,"remaining":300}}}`)
	_, ok = l.track.victim()
	require.False(t, ok, "a checkpoint that only the victim has is none")
	l.effort(1, "checkpointed", "kid", 400, 390)
	i, ok := l.track.victim()
	require.True(t, ok)
	require.Equal(t, 1, i)
	l.effort(0, "checkpointed", "root", 600, 200)
	i, _ = l.track.victim()
	require.Equal(t, 1, i, "the one with more left")
	l.track.killed(1, l.now)
	i, _ = l.track.victim()
	require.Equal(t, 0, i, "nobody is killed twice")
	l.effort(0, "progressed", "root", 600, 5)
	_, ok = l.track.victim()
	require.False(t, ok, "it would be over before the kill")
}

func TestRedone(t *testing.T) {
	l := twoNodes(t)
	l.effort(1, "checkpointed", "kid", 400, 300)
	l.now = l.now.Add(time.Second)
	l.effort(1, "progressed", "kid", 400, 250) // 50 a second
	l.now = l.now.Add(time.Second)
	l.track.killed(1, l.now) // so 200 were done
	l.tell(0, `{"event":"recovered","data":{"wob":"kid","own":true,"effort":{"total":400,"remaining":300}}}`)
	require.Equal(t, 1, l.track.recovered)
	require.InDelta(t, 0.1, l.track.redoneShare(), 1e-9, "100 of 1000")

	// A resumption of what nobody lost is no work done twice.
	l.tell(0, `{"event":"recovered","data":{"wob":"kid","own":false,"effort":{"total":400,"remaining":400}}}`)
	require.Equal(t, 1, l.track.recovered)
	require.InDelta(t, 0.1, l.track.redoneShare(), 1e-9)
}

func TestTrackerSurvivesJunk(t *testing.T) {
	l := twoNodes(t)
	for _, name := range []string{"split", "progressed", "checkpointed", "recovered", "reclaimed", "finished", "mergedChild", "appFailed", "nothing"} {
		for _, effort := range []string{`null`, `-1`, `"x"`, `{"total":-1}`, `{"total":1e308,"remaining":-1e308}`} {
			l.tell(0, `{"event":%q,"data":{"wob":"","effort":%s}}`, name, effort)
		}
	}
	v := newView(io.Discard, true, l.now)
	v.show(l.track, l.now.Add(time.Minute))
}

func TestViewWritesALineASecondAtMost(t *testing.T) {
	l := twoNodes(t)
	var out bytes.Buffer
	v := newView(&out, false, l.now)
	for range 50 { // 10 s
		l.now = l.now.Add(redraw)
		v.show(l.track, l.now)
	}
	lines := strings.Count(out.String(), "\n")
	require.LessOrEqual(t, lines, 10)
	require.GreaterOrEqual(t, lines, 8)
	require.NotContains(t, out.String(), "\x1b", "no terminal, no escapes")
	require.Contains(t, out.String(), "node2 kid 0%")
	require.Contains(t, out.String(), "splits 1")
}

func TestTailKeepsTheLastLines(t *testing.T) {
	l := new(tail)
	for i := range 100 {
		fmt.Fprintf(l, "line %d\nun", i)
		fmt.Fprint(l, "finished ")
	}
	require.NotContains(t, l.String(), "line 80\n")
	require.Contains(t, l.String(), "unfinished line 99")
}

func TestRemoveAllRemovesReadOnlyPackages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "b", "c"), nil, 0o400))
	require.NoError(t, os.Chmod(filepath.Join(dir, "a", "b"), 0o500))
	require.NoError(t, os.Chmod(filepath.Join(dir, "a"), 0o500))
	require.NoError(t, removeAll(dir))
	require.NoDirExists(t, dir)
}
