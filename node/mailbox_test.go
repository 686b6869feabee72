package node

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestMailboxKeepsTheOrder(t *testing.T) {
	b := newMailbox(8)
	var spare []any
	next := 0
	for round := range 3 {
		for i := range 5 {
			b.post(5*round + i)
		}
		<-b.ready
		spare = b.take(spare)
		for _, in := range spare {
			require.Equal(t, next, in)
			next++
		}
	}
	require.Equal(t, 15, next)
	select {
	case <-b.ready:
		t.Fatal("it says ready with nothing in it")
	default:
	}
	require.Empty(t, b.take(spare))
}

// What is posted while a batch is worked on must not overwrite the batch.
func TestMailboxBatchIsTheReaders(t *testing.T) {
	b := newMailbox(8)
	b.post(1)
	b.post(2)
	first := b.take(nil)
	b.post(3)
	b.post(4)
	require.Equal(t, []any{1, 2}, first)
	second := b.take(first)
	b.post(5)
	require.Equal(t, []any{3, 4}, second)
}

// A peer that floods waits for the loop; the node's own inputs do not.
func TestMailboxHoldsBackTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMailbox(3)
		done := make(chan struct{})
		posted := 0
		go func() {
			for range 5 {
				b.postNetwork("flood", done)
				posted++
			}
		}()
		synctest.Wait()
		require.Equal(t, 3, posted)
		b.post("own")
		got := b.take(nil)
		require.Len(t, got, 4)
		require.Equal(t, "own", got[3])
		<-b.room // the loop handled one
		synctest.Wait()
		require.Equal(t, 4, posted)
		close(done)
		synctest.Wait()
		require.Equal(t, 5, posted, "it gives up when the project ends")
		require.Len(t, b.take(nil), 1, "what came too late is not delivered")
	})
}

func TestClosedMailboxTakesNothing(t *testing.T) {
	b := newMailbox(1)
	b.post(1)
	b.close()
	b.post(2)
	require.Empty(t, b.take(nil))
	b.close()
}
