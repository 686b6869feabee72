package itest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// progress fits a checkpoint event that some supervisor holds and that has own work in it.
func progress(data map[string]any) bool {
	effort, _ := data["effort"].(map[string]any)
	copies, _ := data["copies"].(float64)
	total, _ := effort["total"].(float64)
	remaining, _ := effort["remaining"].(float64)
	return copies >= 1 && remaining < total
}

// TestSmallJob is the whole path with the separate commands: project, gateway, three
// nodes, a job, its result, and a stop in good order.
func TestSmallJob(t *testing.T) {
	n := newNetwork(t)
	for range 3 {
		n.addNode()
	}
	id := n.submit("primes", `{"limit":2000000000}`)
	r := n.wait(id, time.Minute)
	require.Equal(t, "finished", r.State)
	require.Equal(t, "98222287", string(r.Result)) // pi(2*10^9)
	id = n.submit("nqueens", `{"n":13}`)
	r = n.wait(id, time.Minute)
	require.Equal(t, "73712", string(r.Result))
	for _, p := range n.nodes {
		p.stop()
	}
	n.gateway.stop()
	require.Empty(t, leftovers(t, n.dir))
}

// TestTwoProjects runs two networks side by side; neither disturbs the other.
func TestTwoProjects(t *testing.T) {
	heavy(t)
	a, b := newNetwork(t), newNetwork(t)
	for range 2 {
		a.addNode()
		b.addNode()
	}
	ida := a.submit("primes", `{"limit":5000000000}`)
	idb := b.submit("nqueens", `{"n":14}`)
	require.Equal(t, "234954223", string(a.wait(ida, time.Minute).Result))
	require.Equal(t, "365596", string(b.wait(idb, time.Minute).Result))
}

// TestKills is the run of the issue: a gateway, five nodes, a job; two nodes that hold
// checkpointed work and the gateway are killed, the gateway comes back, the result is exact.
func TestKills(t *testing.T) {
	heavy(t)
	n := newNetwork(t)
	for range 5 {
		n.addNode()
	}
	id := n.submit("primes", `{"limit":100000000000}`)
	kill := func() {
		var victim *process
		eventually(t, time.Minute, "a node holds a WOB with a stored checkpoint and own progress", func() bool {
			victim = n.holder()
			return victim != nil
		})
		victim.kill()
	}
	kill()
	n.gateway.kill()
	before := n.checkpoints()
	eventually(t, time.Minute, "the nodes go on without the gateway", func() bool { return n.checkpoints() > before })
	n.startGateway(n.listen)
	kill()
	r := n.wait(id, 5*time.Minute)
	require.Equal(t, "finished", r.State)
	require.Equal(t, "4118054813", string(r.Result)) // pi(10^11)
	recovered := 0
	for _, p := range n.nodes { // the second victim may have resumed what the first left
		recovered += p.count("recovered", func(d map[string]any) bool { own, _ := d["own"].(bool); return own })
	}
	t.Logf("%d WOBs recovered, %d WOBs in all, %.1f s", recovered, r.WOBs, r.Seconds)
	require.Positive(t, recovered, "the killed nodes' work was not resumed from their checkpoints")
	n.stop()
	require.Empty(t, leftovers(t, n.dir))
}

// checkpoints counts the stored checkpoints of the nodes that run.
func (n *network) checkpoints() int {
	count := 0
	for _, p := range n.alive() {
		count += p.count("checkpointed", nil)
	}
	return count
}

// alive lists the nodes that run.
func (n *network) alive() []*process {
	return slices.DeleteFunc(slices.Clone(n.nodes), func(p *process) bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
}

// holder is a node that computes a WOB of which a supervisor has a checkpoint with own
// progress, nil if there is none just now.
func (n *network) holder() *process {
	for _, p := range n.alive() {
		var current any
		stored := false
		p.mu.Lock()
		for _, e := range p.events {
			data, _ := e["data"].(map[string]any)
			switch e["event"] {
			case "computing":
				current, stored = data["wob"], false
			case "checkpointed":
				stored = stored || data["wob"] == current && progress(data)
			case "finished", "waits", "moved", "dropped", "suspended":
				if data["wob"] == current {
					current, stored = nil, false
				}
			}
		}
		p.mu.Unlock()
		if stored {
			return p
		}
	}
	return nil
}

// leftovers lists the processes that still work in dir.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, file := range procs {
		cmdline, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(file), "cwd"))
		if strings.Contains(string(cmdline), dir) || strings.HasPrefix(cwd, dir) {
			found = append(found, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}
