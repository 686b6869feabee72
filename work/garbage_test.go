package work

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// TestGarbageHurtsNobody lets a member of the project send random bodies of every kind,
// valid and not, with the ids of what is really there. Nothing panics, and the job of
// the others is exact all the same. The attacker may delay, stop and finish work, as any
// member may that lies about results; it can't make this machine break its own rules.
func TestGarbageHurtsNobody(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		w := newWorld(seed)
		w.hostile = true
		rng := rand.New(rand.NewPCG(seed, 9))
		for _, id := range []wob.NodeID{"a", "b", "c"} {
			w.add(id, 1, true, nil)
		}
		w.job(4000)
		for range 2000 {
			w.after(time.Duration(rng.Int64N(int64(6*time.Second))), func() {
				to := w.nodes[w.order[rng.IntN(3)]]
				to.step(Receive{Msg: protocols.Message{From: "x", To: to.id, Body: w.garbage(rng)}})
			})
		}
		w.nodes["x"] = &node{w: w, id: "x"}
		w.run(time.Minute, nil)
		require.NoError(t, w.err, "seed %d", seed)
	}
}

// TestForeignCallsChangeNothing sends what only somebody else may say: a node that is not
// asked, not the receiver, not the holder. The job runs as if nothing was sent.
func TestForeignCallsChangeNothing(t *testing.T) {
	w := newWorld(3)
	rng := rand.New(rand.NewPCG(3, 9))
	for _, id := range []wob.NodeID{"a", "b", "c"} {
		w.add(id, 1, true, nil)
	}
	w.nodes["x"] = &node{w: w, id: "x"}
	id := w.job(6000)
	harmless := map[protocols.Kind]bool{"WOB_OFFER_ACK": true, "WOB_NONE": true, "WOB_OFFER": true,
		"WOB_TRANSFER_ACK": true, "WOB_BACKUP_ACK": true, "WOB_BACKUP_IS": true, "WOB_INFO": true, "APP_DELIVERED": true,
		"APP_FAILED": true}
	for range 3000 {
		w.after(time.Duration(rng.Int64N(int64(3*time.Second))), func() {
			body := w.garbage(rng)
			for body == nil || !harmless[body.Kind()] {
				body = w.garbage(rng)
			}
			to := w.nodes[w.order[rng.IntN(3)]]
			to.step(Receive{Msg: protocols.Message{From: "x", To: to.id, Body: body}})
		})
	}
	require.NoError(t, w.finishJob(id, 6000, time.Minute))
}

// garbage is a random body of a random kind.
func (w *world) garbage(rng *rand.Rand) protocols.Body {
	all := protocols.Catalogue()
	for {
		d := all[rng.IntN(len(all))]
		if messages[d.Kind] == nil && rng.IntN(10) > 0 {
			continue
		}
		v := reflect.New(d.Type).Elem()
		w.fill(rng, v, 0)
		return v.Interface().(protocols.Body)
	}
}

func (w *world) fill(rng *rand.Rand, v reflect.Value, depth int) {
	switch v.Interface().(type) {
	case wob.ID:
		v.SetString(fmt.Sprintf("%08x-0000-4000-8000-%012x", 1+w.ids%7, 1+w.ids%7))
		if rng.IntN(3) > 0 && w.ids > 0 {
			n := 1 + rng.Uint64N(w.ids)
			v.SetString(fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n))
		}
		return
	case wob.NodeID:
		v.SetString([]string{"a", "b", "c", "x", ""}[rng.IntN(5)])
		return
	case wob.Raw:
		v.SetString([]string{"", "{}", "[1,2]", "[[0,4000]]", "{"}[rng.IntN(5)])
		return
	case wob.State:
		v.SetString([]string{"created", "running", "suspended", "waiting", "finished", "failed", "cancelled", "no"}[rng.IntN(8)])
		return
	}
	switch v.Kind() { //nolint:exhaustive // bodies have no other kinds
	case reflect.String:
		v.SetString([]string{"range", "1", "merged", "unknown", "5x3c4r", "busy"}[rng.IntN(6)])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Uint64:
		v.SetUint(rng.Uint64N(4))
		if rng.IntN(4) == 0 {
			v.SetUint(1<<32 + rng.Uint64N(400))
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(rng.Int64N(5))
	case reflect.Float64:
		v.SetFloat(float64(rng.IntN(5)))
	case reflect.Pointer:
		if rng.IntN(4) > 0 && depth < 4 {
			v.Set(reflect.New(v.Type().Elem()))
			w.fill(rng, v.Elem(), depth+1)
		}
	case reflect.Slice:
		n := rng.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			w.fill(rng, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				w.fill(rng, v.Field(i), depth+1)
			}
		}
	}
}
