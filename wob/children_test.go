package wob

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func parentOf(children ...ID) *WOB {
	w := &WOB{ID: idA, App: "a", State: Running}
	for _, id := range children {
		must(w.AddChild(Child{ID: id, Boundary: `[0,9]`, State: Created, Birth: `"birth"`, Effort: Effort{9, 9}, Meta: `1`, Holder: "n"}))
	}
	return w
}

func TestAddChild(t *testing.T) {
	w := parentOf(idB)
	require.EqualValues(t, 1, w.Stats.Splits)
	before := w.Clone()
	require.ErrorIs(t, w.AddChild(Child{ID: idB}), ErrChildKnown, "S1")
	require.ErrorIs(t, w.AddChild(Child{ID: w.ID}), ErrChildKnown, "own id")
	require.ErrorIs(t, w.AddChild(Child{ID: "child-1"}), ErrID)
	w.State = Finished
	require.ErrorIs(t, w.AddChild(Child{ID: idC}), ErrClosed, "S4: a finished WOB has no open part")
	w.State = Running
	require.Equal(t, before, w, "a refusal changes nothing")

	w.Parent = idC
	require.ErrorIs(t, w.AddChild(Child{ID: idC}), ErrChildKnown, "parent's id")
	w.Children = make([]Child, MaxChildren)
	require.ErrorIs(t, w.AddChild(Child{ID: "0190a8c0-0000-4000-8000-0000000000ff"}), ErrChildren)
}

func TestMergeIsOneChange(t *testing.T) {
	w := parentOf(idB, idC)
	require.Equal(t, Merge, w.Admit(idB))
	require.False(t, w.Complete(true), "S4")
	failure := Failure{Node: "n", Error: "exit status 2"}
	require.NoError(t, w.MergeChild(idB, Stats{WOBs: 4, Splits: 5, Recovered: 1}, failure))
	require.Equal(t, Stats{WOBs: 5, Splits: 7, Recovered: 1}, w.Stats)
	require.Equal(t, []Failure{failure}, w.Failures)
	require.Equal(t, Child{ID: idB, Boundary: `[0,9]`, State: Merged}, *w.Lookup(idB), "what it was born with is dropped")
	require.Equal(t, []ID{idC}, w.Out())

	before := w.Clone()
	require.Equal(t, AlreadyMerged, w.Admit(idB))
	require.Equal(t, "merge, already merged, unknown", fmt.Sprintf("%v, %v, %v", w.Admit(idC), w.Admit(idB), w.Admit(idA)))
	require.ErrorIs(t, w.MergeChild(idB, Stats{WOBs: 4}), ErrChildMerged, "S3")
	require.ErrorIs(t, w.MergeChild("0190a8c0-0000-4000-8000-0000000000ff", Stats{}), ErrChildUnknown, "S2")
	require.Equal(t, before, w)

	require.NoError(t, w.MergeChild(idC, Stats{}))
	require.True(t, w.Complete(true))
	require.False(t, w.Complete(false), "own part open")
	require.Empty(t, w.Out())
}

func TestBorn(t *testing.T) {
	w := parentOf(idB)
	w.Epoch, w.Version, w.Parent, w.Result = 4, 9, idC, `1`
	born := w.Born(*w.Lookup(idB))
	require.Equal(t, &WOB{ID: idB, App: "a", Parent: idA, Holder: "n", State: Created, Boundary: `[0,9]`,
		Checkpoint: `"birth"`, Meta: `1`, Effort: Effort{9, 9}}, born, "nothing of the parent's own")
	require.NoError(t, born.Validate())
	require.Equal(t, Merge, w.AdmitResult(born))
}

// Whatever a parent has heard of a child, only merged is complete (S4).
func TestCompleteWantsEveryChildMerged(t *testing.T) {
	for _, s := range []State{Created, Running, Suspended, Waiting, Finished, Lost, Failed, Cancelled} {
		w := parentOf(idB, idC)
		require.NoError(t, w.MergeChild(idB, Stats{}))
		w.Lookup(idC).State = s
		require.False(t, w.Complete(true), s)
		require.Equal(t, Merge, w.Admit(idC), s)
	}
	require.True(t, parentOf().Complete(true))
}

func TestReclaim(t *testing.T) {
	w := parentOf(idB, idC)
	born, err := w.Reclaim(idB)
	require.NoError(t, err)
	require.Equal(t, Child{ID: idB, Boundary: `[0,9]`, State: Created, Birth: `"birth"`, Effort: Effort{9, 9}, Meta: `1`, Holder: "n"}, born)
	require.Equal(t, Unknown, w.Admit(idB), "a late result is refused")
	require.EqualValues(t, 1, w.Stats.Reclaimed)
	_, err = w.Reclaim(idB)
	require.ErrorIs(t, err, ErrChildUnknown)
	require.NoError(t, w.MergeChild(idC, Stats{}))
	_, err = w.Reclaim(idC)
	require.ErrorIs(t, err, ErrChildMerged, "merged work is never taken back")
}

func TestAdmitResult(t *testing.T) {
	w := parentOf(idB)
	child := &WOB{ID: idB, Parent: w.ID, Boundary: ` [ 0, 9 ]`}
	require.Equal(t, Merge, w.AdmitResult(child), "white space makes no other boundary")
	child.Boundary = `[0,8]`
	require.Equal(t, Unknown, w.AdmitResult(child), "S1: the id fixes the boundary")
	child.Boundary, child.Parent = `[0,9]`, idC
	require.Equal(t, Unknown, w.AdmitResult(child), "somebody else's child")
	child.Parent = w.ID
	for _, s := range []State{Failed, Cancelled} {
		w.State = s
		require.Equal(t, Unknown, w.AdmitResult(child), "%s: its children are not needed", s)
	}
}

func TestForget(t *testing.T) {
	ids := []ID{idB, idC, "0190a8c0-0000-4000-8000-00000000000d", "0190a8c0-0000-4000-8000-00000000000e"}
	w := parentOf(ids...)
	for _, id := range []ID{ids[0], ids[2], ids[3]} {
		require.NoError(t, w.MergeChild(id, Stats{}))
	}
	snapshot := w.Clone()
	require.Equal(t, 0, w.Forget(3))
	require.Equal(t, 2, w.Forget(1))
	require.Equal(t, []ID{idC}, w.Out(), "a child that is out stays")
	require.Equal(t, Unknown, w.Admit(ids[0]))
	require.Equal(t, AlreadyMerged, w.Admit(ids[3]), "the newest is kept")
	require.Equal(t, 1, w.Forget(-1))
	require.Len(t, snapshot.Children, 4, "a snapshot shares nothing with the WOB")
	require.Equal(t, AlreadyMerged, snapshot.Admit(ids[0]))
}

// An application that crashes goes back to the stored snapshot. Before the snapshot
// with the merge in it is stored, nothing was acknowledged: the child sends again and
// is merged for the first time. Afterwards the merge is part of what is loaded.
func TestApplicationCrashAroundAMerge(t *testing.T) {
	m := newModel(variant{rules: allRules, items: 4}, rand.New(rand.NewPCG(1, 1)), false)
	parent := m.copies[0]
	for len(m.mail) == 0 {
		m.split(parent)
		m.store(parent)
	}
	m.deliverOne()
	child := m.copies[1]
	for m.compute(child) {
	}
	m.finish(child)
	result := m.mail[0]
	acks := func() (n int) {
		for _, l := range m.mail {
			if l.kind == "ack" && l.to == child.w.ID {
				n++
			}
		}
		return n
	}

	m.deliver(result)
	require.Equal(t, AlreadyMerged, parent.w.Admit(child.w.ID))
	m.deliver(result) // came twice before the merge is stored
	require.Zero(t, acks(), "no acknowledgement before the merge is stored")
	m.rollBack(parent)
	require.Equal(t, Merge, parent.w.Admit(child.w.ID), "the merge is undone, the table with it")
	m.store(parent)
	require.Zero(t, acks(), "what was merged before the crash is not acknowledged after it")

	m.deliver(result)
	m.store(parent)
	require.Equal(t, 1, acks())
	m.rollBack(parent)
	require.Equal(t, AlreadyMerged, parent.w.Admit(child.w.ID))
	m.deliver(result)
	require.Equal(t, 2, acks(), "merged and stored: acknowledged again at once")
	for m.compute(parent) {
	}
	m.finish(parent)
	require.Equal(t, parent.w.Boundary, parent.w.Result, "every item once")
}

// Children may finish in any order: table, counts and completeness are the same.
func TestMergesCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "children")
		w := &WOB{ID: idA, App: "a", State: Running}
		stats := make([]Stats, n)
		order := make([]int, n)
		m := model{}
		var ids []ID
		for i := range n {
			ids = append(ids, m.newID())
			must(w.AddChild(Child{ID: ids[i], Birth: `1`}))
			stats[i] = Stats{WOBs: rapid.Uint64().Draw(t, "wobs"), Moves: rapid.Uint64Max(100).Draw(t, "moves")}
			order[i] = i
		}
		shuffled := rapid.Permutation(order).Draw(t, "order")
		merge := func(order []int) *WOB {
			c := w.Clone()
			for _, i := range order {
				must(c.MergeChild(ids[i], stats[i]))
			}
			return c
		}
		require.Equal(t, merge(order), merge(shuffled))
		require.True(t, merge(shuffled).Complete(true))
		half := merge(shuffled[:n/2])
		require.Len(t, half.Out(), n-n/2)
		require.True(t, slices.IsSortedFunc(half.Out(), func(a, b ID) int { return slices.Index(ids, a) - slices.Index(ids, b) }))
	})
}
