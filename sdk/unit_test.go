package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sumRange() Range[int64] {
	return Range[int64]{
		Unit:  func(lo, hi int64) int64 { return hi - lo },
		Merge: func(a, b int64) int64 { return a + b },
	}
}

func TestRangeBoundaries(t *testing.T) {
	k := rangeKind[int64]{}
	for _, c := range []struct {
		boundary string
		want     []interval
		err      string
	}{
		{`{"lo":3,"hi":7}`, []interval{{3, 7}}, ""},
		{`{"lo":3,"hi":3}`, nil, ""},
		{`{"parts":[]}`, nil, ""},
		{`{"parts":[[5,6],[1,2],[2,5]]}`, []interval{{1, 6}}, ""},
		{`{"parts":[[5,6],[1,2]],"x":1}`, []interval{{1, 2}, {5, 6}}, ""},
		{`{"parts":[[1,3],[2,4]]}`, nil, "overlaps"},
		{`{"lo":7,"hi":3}`, nil, "ends before it begins"},
		{fmt.Sprintf(`{"lo":%d,"hi":%d}`, math.MinInt64, math.MaxInt64), nil, "more than 2^63"},
		{`{"lo":3}`, nil, "is not of the form"},
		{`[1,2]`, nil, "is not of the form"},
		{`{"lo":1.5,"hi":3}`, nil, "is not of the form"},
		{`null`, nil, "is not of the form"},
	} {
		got, err := k.parse(json.RawMessage(c.boundary))
		if c.err != "" {
			require.ErrorContains(t, err, c.err, c.boundary)
			continue
		}
		require.NoError(t, err, c.boundary)
		require.Len(t, got, len(c.want), c.boundary)
		for i := range got {
			require.Equal(t, c.want[i], got[i])
		}
	}
	k.other = func(json.RawMessage) (int64, int64, error) { return 0, 9, nil }
	k.check = func(_, hi int64) error {
		if hi > 5 {
			return errors.New("too far")
		}
		return nil
	}
	_, err := k.parse(json.RawMessage(`{"limit":9}`))
	require.ErrorContains(t, err, "too far")
}

func TestShareFollowsTheSpeeds(t *testing.T) {
	for _, c := range []struct{ asker, self, want float64 }{
		{1, 1, 0.5}, {3, 1, 0.75}, {1, 3, 0.25}, {0, 1, 0.5}, {1, 0, 0.5}, {math.NaN(), 1, 0.5}, {math.Inf(1), 1, 1}, {1e300, 1e-300, 1},
	} {
		require.InDelta(t, c.want, share(c.asker, c.self), 1e-12, "%v", c)
	}
	e := sumRange().App().(*engine[interval, int64])
	require.NoError(t, e.OnStart(&Node{conn: newConn(nil, nil)}))
	require.NoError(t, e.OnWOBInit(&WOB{Boundary: `{"lo":0,"hi":1000}`}))
	o, err := e.OnWOBRequest(Request{Node: nodeOfSpeed(3)}, Speed{Speed: 1})
	require.NoError(t, err)
	require.InDelta(t, 750, o.Effort, 1)
	c, err := e.OnWOBOfferAck(o.ID, "c")
	require.NoError(t, err)
	require.Equal(t, Raw(`{"lo":250,"hi":1000}`), c.Boundary) // from the end
}

func TestLittleWorkIsNotSplit(t *testing.T) {
	e := sumRange().App().(*engine[interval, int64])
	require.NoError(t, e.OnStart(&Node{conn: newConn(nil, nil)}))
	require.NoError(t, e.OnWOBInit(&WOB{Boundary: `{"lo":0,"hi":1000}`}))
	e.pace.learn(100, 100*time.Millisecond) // a thousand a second: a second remains
	o, err := e.OnWOBRequest(Request{}, Speed{})
	require.NoError(t, err)
	require.NotNil(t, o)
	require.NoError(t, e.OnWOBInit(&WOB{Boundary: `{"lo":0,"hi":59}`}))
	e.pace.learn(100, 100*time.Millisecond) // 59 ms remain
	o, err = e.OnWOBRequest(Request{}, Speed{})
	require.NoError(t, err)
	require.Nil(t, o)
}

func TestReturnedPartThatOverlapsIsRefused(t *testing.T) {
	e := sumRange().App().(*engine[interval, int64])
	require.NoError(t, e.OnStart(&Node{conn: newConn(nil, nil)}))
	require.NoError(t, e.OnWOBInit(&WOB{Boundary: `{"lo":0,"hi":1000}`}))
	before, err := e.OnCheckpoint()
	require.NoError(t, err)
	require.ErrorIs(t, e.OnWOBChildReturn("c", `{"lo":500,"hi":1500}`, ""), errOverlap)
	require.Error(t, e.OnWOBChildReturn("c", `{"lo":1000,"hi":1500}`, `{"open":{}}`))
	require.Error(t, e.OnWOBChildReturn("c", `nonsense`, ""))
	after, err := e.OnCheckpoint()
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestEmptyRange(t *testing.T) {
	r := sumRange()
	r.Empty = 42
	e := r.App().(*engine[interval, int64])
	require.NoError(t, e.OnStart(&Node{conn: newConn(nil, nil)}))
	require.NoError(t, e.OnWOBInit(&WOB{Boundary: `{"lo":5,"hi":5}`}))
	p, err := e.OnCheckpoint()
	require.NoError(t, err)
	require.Equal(t, Raw("42"), p.Result)
	require.Equal(t, Effort{}, p.Effort)
}

func TestBadCheckpointsAreRefused(t *testing.T) {
	e := sumRange().App().(*engine[interval, int64])
	require.NoError(t, e.OnStart(&Node{conn: newConn(nil, nil)}))
	for _, w := range []WOB{
		{Boundary: `{"lo":0,"hi":9}`, Checkpoint: `[]`},
		{Boundary: `{"lo":0,"hi":9}`, Checkpoint: `{}`},
		{Boundary: `{"lo":0,"hi":9}`, Checkpoint: `{"open":{"lo":9,"hi":0}}`},
		{Boundary: `{"lo":0,"hi":9}`, Checkpoint: `{"open":{"parts":[]},"has":true}`, Result: `"x"`},
		{},
	} {
		require.Error(t, e.OnWOBInit(&w), "%+v", w)
	}
}

// The grain settles near pieceTime whatever the speed, and one slow piece does not upset it for long.
func TestGrainFindsItsSize(t *testing.T) {
	for _, perSecond := range []float64{1e-3, 1, 1e3, 1e9} {
		var p pace
		var took time.Duration
		for range 2000 {
			cost := max(p.grain, 1e-9*perSecond) // a nanosecond's worth is the smallest piece
			took = time.Duration(cost / perSecond * 1e9)
			p.learn(cost, took)
		}
		require.InEpsilon(t, float64(pieceTime), float64(took), 0.2, "at %g/s", perSecond)
		p.learn(p.grain, time.Second)
		for range 20 {
			took = time.Duration(p.grain / perSecond * 1e9)
			p.learn(p.grain, took)
		}
		require.InEpsilon(t, float64(pieceTime), float64(took), 0.2)
	}
}

// A cut gives about the share asked for, from all levels of the tree.
func TestTreeCutIsFair(t *testing.T) {
	k := treeKind[lopsided, int]{tree: Tree[lopsided, int]{Expand: func(n lopsided) []lopsided { return n.children() }}}
	for _, share := range []float64{0.1, 0.25, 0.5, 0.75, 0.9} {
		open := []branch[lopsided]{{lopsided{25}, 1}}
		keep, give := k.cut(open, share)
		sum := func(bs []branch[lopsided]) (n int, w float64) {
			for _, b := range bs {
				n += leaves(b.node)
				w += b.weight
			}
			return n, w
		}
		kept, keptWeight := sum(keep)
		gave, gaveWeight := sum(give)
		require.Equal(t, leaves(lopsided{25}), kept+gave)
		require.InDelta(t, 1, keptWeight+gaveWeight, 1e-9)
		require.InDelta(t, share, float64(gave)/float64(kept+gave), 0.15, "of the real work, which nobody knew")
	}
}

func TestTreeBoundaries(t *testing.T) {
	k := treeKind[lopsided, int]{tree: Tree[lopsided, int]{
		Root: func(b json.RawMessage) (n lopsided, err error) { return n, json.Unmarshal(b, &n) },
		Check: func(n lopsided) error {
			if n.S > 50 {
				return errors.New("too large")
			}
			return nil
		},
	}}
	got, err := k.parse(json.RawMessage(`{"s":7}`))
	require.NoError(t, err)
	require.Equal(t, []branch[lopsided]{{lopsided{7}, 1}}, got)
	got, err = k.parse(json.RawMessage(`{"nodes":[{"s":1},{"s":2}],"weights":[1,2]}`))
	require.NoError(t, err)
	require.Equal(t, []branch[lopsided]{{lopsided{2}, 2}, {lopsided{1}, 1}}, got)
	for boundary, want := range map[string]string{
		`{"nodes":[{"s":1}],"weights":[1,2]}`: "1 nodes with 2 weights", `{"nodes":[{"s":1}],"weights":[-1]}`: "weighs -1",
		`{"nodes":[{"s":60}],"weights":[1]}`: "too large", `{"nodes":3,"weights":[1]}`: "cannot unmarshal", `{"s":"x"}`: "cannot unmarshal", `nonsense`: "invalid",
	} {
		_, err := k.parse(json.RawMessage(boundary))
		require.ErrorContains(t, err, want, boundary)
	}
}
