package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/wob"
)

const (
	crashWriters = 4
	crashKills   = 8
)

// writeForEver is the process that TestNoAckedWriteIsLost kills: it writes versions of
// a few WOBs and prints each one that the store acknowledged.
func writeForEver(dir string) {
	s, err := Open(dir)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	first := uint64(0)
	for _, h := range s.Backups() {
		first = max(first, h.Version)
	}
	var mu sync.Mutex
	var writers sync.WaitGroup
	for n := range crashWriters {
		writers.Go(func() {
			for v := first + 1; ; v++ {
				if _, err := s.Write(ctx, Batch{Backups: []*wob.WOB{snapshot(n, 1, v)}, Held: []*wob.WOB{snapshot(100+n, 1, v)}}, true); err != nil {
					fmt.Println("error:", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(n, v)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
}

func TestNoAckedWriteIsLost(t *testing.T) {
	dir := t.TempDir()
	acked := map[int]uint64{}
	for range crashKills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "WOB_STORE_WRITER="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var who int
			var version uint64
			_, err := fmt.Sscan(lines.Text(), &who, &version)
			require.NoError(t, err, lines.Text())
			acked[who] = max(acked[who], version)
			if n == 40 {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait(), "killed")

		s := opened(t, dir)
		held, damaged := s.Held()
		require.Empty(t, damaged)
		versions := map[wob.ID]uint64{}
		for _, w := range held {
			versions[w.ID] = w.Version
		}
		for who, version := range acked {
			b, err := s.Backup(id(who))
			require.NoError(t, err)
			require.GreaterOrEqual(t, b.Version, version, "an acknowledged write is there")
			require.Equal(t, b.Version, versions[id(100+who)], "and a batch is whole")
		}
		require.NoError(t, s.Close())
	}
	require.Len(t, acked, crashWriters)
}

// BenchmarkPut measures synced puts of 1 KiB WOBs by several writers at once.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run("writers="+strconv.Itoa(writers), func(b *testing.B) {
			s, err := Open(b.TempDir())
			require.NoError(b, err)
			defer s.Close()
			w := snapshot(0, 1, 1)
			for len(w.Meta) < 700 {
				w.Meta += "1"
			}
			todo := make(chan int)
			var all sync.WaitGroup
			b.ResetTimer()
			for n := range writers {
				all.Go(func() {
					mine := w.Clone()
					mine.ID = id(n)
					for range todo {
						if _, err := s.Write(ctx, Batch{Held: []*wob.WOB{mine}}, true); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for range b.N {
				todo <- 1
			}
			close(todo)
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}
