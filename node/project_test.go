package node_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/store"
)

// A node takes part in two projects at once: both compute, under different identities.
func TestTwoProjectsOnOneNode(t *testing.T) {
	t.Parallel()
	first, second := newStage(t, "first"), newStage(t, "second")
	data := t.TempDir()
	for _, s := range []*stage{first, second} {
		s.add(sums(t, "sums", "1.0.0", "1"))
		s.start()
		s.join(data)
	}
	n, _ := open(t, data, 1)
	a, b := first.inject("sums", `{"lo":0,"hi":1000}`), second.inject("sums", `{"lo":1000,"hi":2000}`)
	require.Equal(t, "499500", first.result(a))
	require.Equal(t, "1499500", second.result(b))
	st, err := n.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, st.Projects, 2)
	require.NotEqual(t, st.Projects[0].Peer, st.Projects[1].Peer)
	for _, p := range st.Projects {
		require.EqualValues(t, 1, p.Events["computing"], "one job each")
	}
	require.NoError(t, n.Leave(t.Context(), "first", time.Second))
	c := second.inject("sums", `{"lo":0,"hi":10}`)
	require.Equal(t, "45", second.result(c), "leaving one does not disturb the other")
}

// A node that is closed at once goes on, at its next start, with the WOBs it held.
func TestRestartGoesOnWithHeldWOBs(t *testing.T) {
	t.Parallel()
	s := newStage(t, "p")
	s.add(sums(t, "sums", "1.0.0", "1"))
	s.start()
	data := t.TempDir()
	s.join(data)
	n, _ := open(t, data, 1)
	id := s.inject("sums", `{"lo":0,"hi":3000}`)
	eventually(t, 20*time.Second, "stored progress", func() bool {
		for _, w := range only(t, n).WOBs {
			if w.Version > 2 && w.Effort.Remaining < w.Effort.Total {
				return true
			}
		}
		return false
	})
	peer := only(t, n).Peer
	require.NoError(t, n.Close())
	n, _ = open(t, data, 1)
	require.Equal(t, peer, only(t, n).Peer, "the same node")
	require.Equal(t, "4498500", s.result(id))
	st := only(t, n)
	require.Zero(t, st.Events["received"], "it had it all the time")
	require.Zero(t, st.Events["recovered"])
	require.EqualValues(t, 1, st.Events["computing"])
}

// Stop ends processes, links and goroutines (TestMain looks for those), and what is
// stopped twice or asked afterwards does not hang.
func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, "p")
	s.add(sums(t, "sums", "1.0.0", "1"))
	s.start()
	data := t.TempDir()
	s.join(data)
	n, _ := open(t, data, 2)
	s.inject("sums", `{"lo":0,"hi":100000}`)
	eventually(t, 20*time.Second, "both slots compute", func() bool { return only(t, n).Events["computing"] >= 2 })
	p := n.Projects()[0]
	events, cancel := p.Events().Subscribe(1 << 14)
	defer cancel()
	begin := time.Now()
	require.NoError(t, n.Stop(5*time.Second))
	require.Less(t, time.Since(begin), 5*time.Second, "what can be handed over does not wait for the end of the grace")
	require.Empty(t, n.Projects())
	left := false
	for len(events) > 0 {
		ev := <-events
		if d, ok := ev.Data.(map[string]any); ok && ev.Name == "left" && d["kept"] != nil {
			left = true
			require.EqualValues(t, 0, d["kept"], "all was handed over")
		}
	}
	require.True(t, left)
	_, err := p.Status(t.Context())
	require.Error(t, err)
	require.NoError(t, n.Stop(time.Second))
	require.NoError(t, n.Close())
	if runtime.GOOS == "linux" {
		require.Empty(t, using(t, data))
	}
	st, err := store.Open(filepath.Join(data, "projects", s.server.Project().ID, "store"))
	require.NoError(t, err, "its lock is free")
	held, damaged := st.Held()
	require.Empty(t, held)
	require.Empty(t, damaged)
	require.NoError(t, st.Close())
}

// using lists the processes whose working directory lies in dir.
func using(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	require.NoError(t, err)
	for _, link := range all {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			found = append(found, link)
		}
	}
	return found
}

// A store that is damaged, or in use by another node, is named with what to do.
func TestStoreThatCannotBeOpened(t *testing.T) {
	s := newStage(t, "p")
	s.start()
	data := t.TempDir()
	m := s.join(data)
	dir := filepath.Join(data, "projects", m.ID, "store")
	cfg := node.Config{Data: data, Listen: []string{loopback}, Slots: -1}

	other := exec.Command(program(t)[0], "test-node", data)
	out, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "true <nil>\n", said)
	_, err = node.Open(cfg)
	require.ErrorIs(t, err, store.ErrLocked)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "--data")
	require.NoError(t, other.Process.Kill())
	require.Error(t, other.Wait(), "killed")

	n, err := node.Open(cfg)
	require.NoError(t, err, "the other one's end frees it")
	require.NoError(t, n.Close())
	files, err := filepath.Glob(filepath.Join(dir, "db", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.NoError(t, os.WriteFile(f, []byte("this is no database"), 0o600))
	}
	_, err = node.Open(cfg)
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, err, "move that directory away")
	require.NoError(t, os.Rename(dir, dir+".damaged")) // as it says
	n, err = node.Open(cfg)
	require.NoError(t, err)
	require.NoError(t, n.Close())
}
