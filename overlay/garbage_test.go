package overlay

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// A forger makes valid bodies of any kind out of values that mean something to the
// receiver: real nodes, clusters, WOBs, epochs and sequences, and extremes.
type forger struct {
	rng     *rand.Rand
	nodes   []wob.NodeID
	numbers []uint64
	cluster []protocols.ClusterID
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

func (f *forger) fill(v reflect.Value) {
	switch v.Interface().(type) {
	case wob.ID:
		v.SetString(string(testID(f.rng.IntN(6))))
		return
	case wob.NodeID:
		v.SetString(string(pick(f.rng, f.nodes)))
		return
	case protocols.ClusterID:
		v.SetString(string(pick(f.rng, f.cluster)))
		return
	case wob.State:
		v.SetString(string(pick(f.rng, []wob.State{wob.Running, wob.Suspended, wob.Waiting, wob.Finished})))
		return
	case wob.Raw:
		return // null
	case protocols.Answer:
		v.SetString(string(pick(f.rng, []protocols.Answer{protocols.Found, protocols.Absent, protocols.Unknown})))
		return
	}
	switch v.Kind() { //nolint:exhaustive // the kinds that bodies are made of
	case reflect.String:
		v.SetString(pick(f.rng, []string{"primes", "/mem/x", "q"}))
	case reflect.Int, reflect.Int64:
		v.SetInt(pick(f.rng, []int64{0, 1, 2, 3, 100, math.MaxInt32, -1}))
	case reflect.Uint64:
		v.SetUint(pick(f.rng, f.numbers))
	case reflect.Float64:
		v.SetFloat(pick(f.rng, []float64{0, 1, 1e300}))
	case reflect.Bool:
		v.SetBool(f.rng.IntN(2) == 0)
	case reflect.Pointer:
		if f.rng.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), f.rng.IntN(4), 4))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range f.rng.IntN(3) {
			key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(val)
			v.SetMapIndex(key, val)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	}
}

// body returns a body that passes Validate, or, seldom, one that does not.
func (f *forger) body() protocols.Body {
	all := protocols.Catalogue()
	for {
		d := pick(f.rng, all)
		if p := d.Kind.Prefix(); p != protocols.PrefixNode && p != protocols.PrefixCL && f.rng.IntN(50) > 0 {
			continue
		}
		v := reflect.New(d.Type).Elem()
		if d.Rules.WOBs == 0 {
			f.fill(v)
		}
		if body := v.Interface().(protocols.Body); body.Validate() == nil || f.rng.IntN(200) == 0 {
			return body
		}
	}
}

// victim returns a settled cluster of three supervisors a, b and c with members at a.
func victim(t testing.TB, seed uint64) (*world, *forger) {
	w := newWorld(t, seed)
	for _, id := range []wob.NodeID{"a", "b", "c", "d", "e", "f"} {
		w.start(id, 100, true)
		w.run(100 * time.Millisecond)
	}
	w.run(15 * time.Second)
	w.until(time.Minute, "a healthy cluster", w.settled)
	e := running(2)
	e.Parent = testID(1)
	for _, in := range []Input{Hold{running(1)}, Hold{e}} {
		w.step("e", in)
	}
	w.step("d", Hold{running(3)})
	w.run(time.Second)
	a := w.nodes["a"]
	f := &forger{rng: rand.New(rand.NewPCG(seed, 99)), nodes: []wob.NodeID{"a", "b", "c", "d", "e", "x"}}
	f.cluster = []protocols.ClusterID{a.view.Cluster, a.view.Cluster, "another"}
	f.numbers = []uint64{0, 1, 2, 3, a.view.Epoch, a.view.Epoch + 1, math.MaxUint64, a.sup.roster.Get("d").Seq, a.sup.roster.Get("d").Seq + 1}
	return w, f
}

func TestAMemberCannotHarmItsSupervisor(t *testing.T) {
	for seed := range uint64(20) {
		w, f := victim(t, seed)
		a := w.nodes["a"]
		for range 2000 {
			view, members, entries := a.view, without(a.sup.roster.IDs(), "d"), a.All()
			live := a.live()
			body := f.body()
			a.Step(w.now, Receive{protocols.Message{From: "d", To: "a", Body: body}}, nil)
			require.NoError(t, a.CheckInvariants(), "after %T%+v", body, body)
			require.Equal(t, view, a.view, "after %T%+v", body, body)
			require.Equal(t, live, a.live(), "after %T%+v", body, body)
			require.Equal(t, members, without(a.sup.roster.IDs(), "d"), "after %T%+v", body, body)
			for _, was := range entries {
				is, ok := a.sup.index.Get(was.ID)
				require.True(t, ok)
				if reflect.DeepEqual(was, is) || is.Inc.Holder == "d" {
					continue
				}
				parent, _ := a.sup.index.Get(is.Parent)
				require.True(t, is.Gone && parent.Inc.Holder == "d", "%v became %v after %+v", was, is, body)
			}
		}
	}
}

func without(ids []wob.NodeID, id wob.NodeID) []wob.NodeID {
	return slices.DeleteFunc(ids, func(i wob.NodeID) bool { return i == id })
}

// Whatever anybody sends, no machine panics or breaks its own rules, and time goes on.
func TestNobodyCanBreakAMachine(t *testing.T) {
	for seed := range uint64(40) {
		w, f := victim(t, seed)
		for i := range 1500 {
			to := pick(f.rng, []wob.NodeID{"a", "b", "d", "e"})
			from := pick(f.rng, f.nodes)
			w.deliver(to, Receive{protocols.Message{From: from, To: to, Body: f.body()}})
			if i%10 == 0 {
				w.run(time.Duration(f.rng.IntN(3000)) * time.Millisecond)
			}
		}
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	w, _ := victim(t, 1)
	for _, c := range []struct {
		from wob.NodeID
		body protocols.Body
		why  string
	}{
		{"d", protocols.Index{Cluster: w.nodes["a"].view.Cluster, Origin: "d"}, "its sender may not send it"},
		{"x", protocols.Update{}, "its sender may not send it"},
		{"d", protocols.ViewIs{View: w.nodes["a"].view}, "not from a supervisor of this cluster"},
		{"d", protocols.Hello{}, "not a message of the overlay"},
		{"d", protocols.Beat{Idle: -1}, "field idle: out of range"},
		{"b", protocols.Index{Cluster: w.nodes["a"].view.Cluster, Origin: "c"}, "not of this cluster's supervisors"},
	} {
		out := w.nodes["a"].Step(w.now, Receive{protocols.Message{From: c.from, Body: c.body}}, nil)
		require.Contains(t, out, Report{Rejected{From: c.from, Kind: c.body.Kind(), Reason: c.why}}, fmt.Sprintf("%T", c.body))
	}
}
