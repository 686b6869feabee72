package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wobcompute/wobcompute/wob/appapi"
	"pgregory.net/rapid"
)

// world plays the middleware for any number of WOBs of one job: it splits, moves, resumes, gives
// back and merges them in random order.
type world[T, R any] struct {
	t       *rapid.T
	fresh   func() *engine[T, R]
	holders []*holder[T, R]
	next    int
}

// holder is a WOB with the process that computes it.
type holder[T, R any] struct {
	wob      WOB
	e        *engine[T, R]
	parent   *holder[T, R]
	children int
	busy     []job[T]
	offer    *Offer
}

type job[T any] struct {
	key   int
	piece T
}

func (w *world[T, R]) add(wob WOB, parent *holder[T, R]) *holder[T, R] {
	w.next++
	wob.ID = ID(fmt.Sprint(w.next))
	h := &holder[T, R]{wob: wob, parent: parent}
	w.load(h)
	w.holders = append(w.holders, h)
	return h
}

// load gives the WOB to a new process.
func (w *world[T, R]) load(h *holder[T, R]) {
	h.e = w.fresh()
	h.e.patience = 0 // nobody computes while a request waits here
	require.NoError(w.t, h.e.OnStart(&Node{conn: newConn(nil, &bytes.Buffer{})}))
	require.NoError(w.t, h.e.OnWOBInit(&h.wob))
	h.busy, h.offer = nil, nil
}

func (w *world[T, R]) effort(h *holder[T, R]) Effort {
	p, err := h.e.OnCheckpoint()
	require.NoError(w.t, err)
	return p.Effort
}

// compute begins some pieces and ends some of those begun.
func (w *world[T, R]) compute(h *holder[T, R], took time.Duration) {
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	if len(h.e.open) > 0 && len(h.busy) < 3 {
		key, piece := h.e.begin()
		h.busy = append(h.busy, job[T]{key, piece})
	}
	if len(h.busy) > 0 && rapid.Bool().Draw(w.t, "end") {
		i := rapid.IntRange(0, len(h.busy)-1).Draw(w.t, "piece")
		j := h.busy[i]
		h.busy = append(h.busy[:i], h.busy[i+1:]...)
		h.e.end(j.key, h.e.kind.run(j.piece), took)
	}
}

// split asks for an offer and takes, releases or keeps it.
func (w *world[T, R]) split(h *holder[T, R], speed float64) {
	before := w.effort(h)
	if h.offer == nil {
		var err error
		h.offer, err = h.e.OnWOBRequest(Request{Node: nodeOfSpeed(speed)}, Speed{Speed: 1})
		require.NoError(w.t, err)
	} else {
		o, err := h.e.OnWOBRequest(Request{}, Speed{})
		require.NoError(w.t, err)
		require.Nil(w.t, o, "one offer at a time")
	}
	require.InEpsilon(w.t, 1+before.Remaining, 1+w.effort(h).Remaining, 1e-9)
	if h.offer == nil {
		return
	}
	_, err := h.e.OnWOBOfferAck(h.offer.ID+"x", "c")
	require.ErrorIs(w.t, err, ErrUnknownOffer)
	switch rapid.IntRange(0, 2).Draw(w.t, "offer") {
	case 0:
		h.e.OnWOBOfferRelease(h.offer.ID)
		h.offer = nil
		require.InEpsilon(w.t, 1+before.Remaining, 1+w.effort(h).Remaining, 1e-9)
	case 1:
		c, err := h.e.OnWOBOfferAck(h.offer.ID, "c")
		require.NoError(w.t, err)
		require.Equal(w.t, h.offer.Effort, c.Effort.Remaining)
		h.offer = nil
		after := w.effort(h)
		require.InEpsilon(w.t, 1+before.Done(), 1+after.Done(), 1e-9)
		require.InEpsilon(w.t, 1+before.Remaining, 1+after.Remaining+c.Effort.Remaining, 1e-9)
		h.children++
		w.add(WOB{Parent: h.wob.ID, Boundary: c.Boundary, Checkpoint: c.Checkpoint, Effort: c.Effort, Meta: c.Meta}, h)
	}
}

// move packs the WOB and goes on in a new process: what was begun is forgotten, what was done is not.
func (w *world[T, R]) move(h *holder[T, R]) {
	p, err := h.e.OnCheckpoint()
	require.NoError(w.t, err)
	h.wob.Checkpoint, h.wob.Result, h.wob.Effort, h.wob.Meta = p.Checkpoint, p.Result, p.Effort, p.Meta
	w.load(h)
	after := w.effort(h)
	require.InEpsilon(w.t, 1+p.Effort.Done(), 1+after.Done(), 1e-9)
	require.InEpsilon(w.t, 1+p.Effort.Remaining, 1+after.Remaining, 1e-9)
}

// lose forgets a childless child and gives its part back to the parent.
func (w *world[T, R]) lose(h *holder[T, R]) {
	if h.parent == nil || h.children > 0 {
		return
	}
	require.NoError(w.t, h.parent.e.OnWOBChildReturn(h.wob.ID, h.wob.Boundary, ""))
	w.remove(h)
}

func (w *world[T, R]) remove(h *holder[T, R]) {
	h.parent.children--
	for i := range w.holders {
		if w.holders[i] == h {
			w.holders = append(w.holders[:i], w.holders[i+1:]...)
			return
		}
	}
}

// finish merges a WOB of which everything is done; it returns the result of the root.
func (w *world[T, R]) finish(h *holder[T, R]) (Raw, bool) {
	if h.children > 0 || len(h.busy) > 0 || h.offer != nil || len(h.e.open) > 0 {
		return "", false
	}
	p, err := h.e.OnCheckpoint()
	require.NoError(w.t, err)
	require.Zero(w.t, p.Effort.Remaining)
	if h.parent == nil {
		return p.Result, true
	}
	h.wob.Result = p.Result
	require.NoError(w.t, h.parent.e.OnWOBChildFinished(&h.wob))
	w.remove(h)
	return "", false
}

// run plays a random history to its end and returns the root's result.
func (w *world[T, R]) run(boundary Raw) Raw {
	w.add(WOB{Boundary: boundary}, nil)
	for step := 0; ; step++ {
		h := w.holders[rapid.IntRange(0, len(w.holders)-1).Draw(w.t, "holder")]
		took := time.Duration(rapid.IntRange(1, 50).Draw(w.t, "ms")) * time.Millisecond
		op := rapid.IntRange(0, 9).Draw(w.t, "op")
		if step > 150 {
			op = 9 // to an end
			if h.offer != nil {
				h.e.OnWOBOfferRelease(h.offer.ID)
				h.offer = nil
			}
		}
		switch {
		case op < 4:
			w.compute(h, took)
		case op < 6:
			w.split(h, rapid.SampledFrom([]float64{0, 0.3, 1, 5}).Draw(w.t, "speed"))
		case op == 6:
			w.move(h)
		case op == 7 && step < 100:
			w.lose(h)
		default:
			w.compute(h, took)
			if r, ok := w.finish(h); ok {
				return r
			}
		}
	}
}

func nodeOfSpeed(speed float64) (n appapi.NodeSpec) {
	n.Speed = speed
	return n
}

func TestRangeIsExactWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Int64Range(-1000, 1000).Draw(t, "lo")
		hi := lo + rapid.Int64Range(0, 3000).Draw(t, "length")
		r := Range[int64]{
			Unit: func(lo, hi int64) (n int64) {
				for ; lo < hi; lo++ {
					n += lo * lo
				}
				return n
			},
			Merge: func(a, b int64) int64 { return a + b },
			Align: rapid.SampledFrom([]int64{0, 7, 100}).Draw(t, "align"),
		}
		if rapid.Bool().Draw(t, "cost") {
			r.Cost = func(lo, hi int64) float64 { return float64(hi-lo) + float64(hi*hi-lo*lo)/1e6 }
		}
		w := world[interval, int64]{t: t, fresh: func() *engine[interval, int64] { return r.App().(*engine[interval, int64]) }}
		got := w.run(Raw(fmt.Sprintf(`{"lo":%d,"hi":%d}`, lo, hi)))
		require.Equal(t, Raw(fmt.Sprint(r.Unit(lo, hi))), got)
	})
}

// lopsided is a node of an uneven tree: of size s, it has the children s-1, s-3 and s/4.
type lopsided struct {
	S int `json:"s"`
}

func (n lopsided) children() (out []lopsided) {
	for _, s := range []int{n.S - 1, n.S - 3, n.S / 4} {
		if s > 0 && s < n.S {
			out = append(out, lopsided{s})
		}
	}
	return out
}

// leaves counts the leaves below a node.
func leaves(n lopsided) int {
	sum := 0
	below := n.children()
	for _, c := range below {
		sum += leaves(c)
	}
	if len(below) == 0 {
		return 1
	}
	return sum
}

func TestTreeIsExactWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := Tree[lopsided, int]{
			Root: func(b json.RawMessage) (n lopsided, err error) {
				return n, json.Unmarshal(b, &n)
			},
			Expand: func(n lopsided) []lopsided { return n.children() },
			Solve:  leaves,
			Merge:  func(a, b int) int { return a + b },
			Size:   func(n lopsided) float64 { return float64(n.S) },
		}
		s := rapid.IntRange(1, 14).Draw(t, "s")
		w := world[branch[lopsided], int]{t: t, fresh: func() *engine[branch[lopsided], int] {
			return tree.App().(*engine[branch[lopsided], int])
		}}
		got := w.run(Raw(fmt.Sprintf(`{"s":%d}`, s)))
		require.Equal(t, Raw(fmt.Sprint(leaves(lopsided{s}))), got)
	})
}
