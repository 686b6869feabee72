package roster

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
)

func TestRosterAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, model := New(), map[wob.NodeID]Member{}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.NoError(t, r.Check())
				require.Equal(t, len(model), r.Len())
				idle := 0
				for _, m := range model {
					idle += m.Idle
				}
				require.Equal(t, idle, r.Idle())
			},
			"put": func(t *rapid.T) {
				m := Member{ID: draw(t), Idle: rapid.IntRange(0, 9).Draw(t, "idle"), Heard: core.Time(rapid.IntRange(0, 9).Draw(t, "heard"))}
				r.Put(m)
				model[m.ID] = m
			},
			"remove": func(t *rapid.T) {
				id := draw(t)
				_, was := model[id]
				require.Equal(t, was, r.Remove(id))
				delete(model, id)
			},
			"idle": func(t *rapid.T) {
				id := draw(t)
				if m := r.Get(id); m != nil {
					n := rapid.IntRange(0, 9).Draw(t, "idle")
					r.SetIdle(m, n)
					was := model[id]
					was.Idle = n
					model[id] = was
				}
			},
			"silent": func(t *rapid.T) {
				since := core.Time(rapid.IntRange(0, 9).Draw(t, "since"))
				n := 0
				for _, m := range model {
					if m.Heard < since {
						n++
					}
				}
				require.Len(t, r.Silent(since), n)
			},
		})
	})
}

func draw(t *rapid.T) wob.NodeID {
	return wob.NodeID(fmt.Sprintf("n%d", rapid.IntRange(0, 7).Draw(t, "node")))
}
