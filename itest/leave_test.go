package itest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	shortJob, shortResult = `{"limit":20000000000}`, "882206716"   // pi(2*10^10), a few seconds
	longJob, longResult   = `{"limit":100000000000}`, "4118054813" // pi(10^11)
)

// computing waits until the node computes and has own work in a checkpoint that others hold.
func (p *process) computing() {
	p.t.Helper()
	eventually(p.t, time.Minute, p.name+" has a stored checkpoint with own progress", func() bool {
		return p.count("checkpointed", progress) > 0
	})
}

// packed returns what remained of each WOB in the newest snapshots that nodes stored.
func packed(nodes []*process) map[string]float64 {
	version, remaining := map[string]float64{}, map[string]float64{}
	for _, p := range nodes {
		p.mu.Lock()
		for _, e := range p.events {
			data, _ := e["data"].(map[string]any)
			id, _ := data["wob"].(string)
			if v := number(data, "version"); e["event"] == "checkpointed" && v >= version[id] {
				version[id], remaining[id] = v, number(data, "effort", "remaining")
			}
		}
		p.mu.Unlock()
	}
	return remaining
}

// nothingRedone checks that nodes received WOBs as they were packed, to the last unit,
// with work in them that was done before.
func nothingRedone(t *testing.T, packed map[string]float64, nodes []*process) {
	t.Helper()
	kept := 0
	for _, p := range nodes {
		require.Zero(t, p.count("recovered", nil), "handed over, not lost")
		seen := map[string]bool{}
		p.count("received", func(data map[string]any) bool {
			id, _ := data["wob"].(string)
			was, known := packed[id]
			if !known || seen[id] {
				return false
			}
			seen[id] = true
			require.Equal(t, was, number(data, "effort", "remaining"), "WOB %s is received as it was packed", id)
			if was < number(data, "effort", "total") {
				kept++
			}
			return true
		})
	}
	require.Positive(t, kept, "the work done before was kept")
}

func number(data map[string]any, path ...string) float64 {
	for _, key := range path[:len(path)-1] {
		data, _ = data[key].(map[string]any)
	}
	n, _ := data[path[len(path)-1]].(float64)
	return n
}

// A node that is stopped packs its work and hands it over; another one goes on from there.
func TestStoppedNodeHandsOver(t *testing.T) {
	n := newNetwork(t)
	a := n.addNode("--grace", "20s")
	id := n.submit("primes", shortJob)
	a.computing()
	b := n.addNode("--slots", "1", "--grace", "20s", "--no-compute") // a supervisor that takes it into custody
	eventually(t, 20*time.Second, "the second node is there", func() bool { return b.count("joined", nil) > 0 })
	begin := time.Now()
	a.stop()
	require.Less(t, time.Since(begin), 20*time.Second, "within the grace")
	require.Zero(t, a.count("left", func(d map[string]any) bool { return number(d, "kept") > 0 }), "nothing stays behind")
	c := n.addNode()
	r := n.wait(id, 2*time.Minute)
	require.Equal(t, shortResult, string(r.Result))
	nothingRedone(t, packed(n.nodes[:1]), []*process{c})
}

// All nodes are stopped, with nobody left but the gateway; new ones, in new directories,
// finish the job from what was done.
func TestAllNodesStopped(t *testing.T) {
	heavy(t)
	n := newNetwork(t)
	for range 3 {
		n.addNode()
	}
	id := n.submit("primes", longJob)
	for _, p := range n.nodes {
		p.computing()
	}
	for _, p := range n.nodes {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, p := range n.nodes {
		select {
		case <-p.done:
			require.NoError(t, p.err, p.tail(20))
		case <-time.After(time.Minute):
			t.Fatalf("%s does not end\n%s", p.name, p.tail(20))
		}
	}
	for _, p := range n.nodes { // what they kept is out of reach for ever
		require.Zero(t, p.count("left", func(d map[string]any) bool { return number(d, "kept") > 0 }), p.tail(40))
	}
	require.NoError(t, os.RemoveAll(filepath.Join(n.dir, "node1", "projects")))
	first := len(n.nodes)
	for range 2 {
		n.addNode()
	}
	r := n.wait(id, 5*time.Minute)
	require.Equal(t, longResult, string(r.Result))
	nothingRedone(t, packed(n.nodes[:first]), n.nodes[first:first+1])
}

// The gateway is stopped with Ctrl-C while a job runs and started again: its node has the
// same identity and address, and the job never noticed.
func TestGatewayInterrupted(t *testing.T) {
	heavy(t)
	n := newNetwork(t)
	for range 2 {
		n.addNode()
	}
	first := n.gatewayReady()
	id := n.submit("primes", longJob)
	for _, p := range n.nodes {
		p.computing()
	}
	require.NoError(t, n.gateway.cmd.Process.Signal(os.Interrupt))
	select {
	case <-n.gateway.done:
		require.NoError(t, n.gateway.err, n.gateway.tail(20))
	case <-time.After(time.Minute):
		t.Fatalf("the gateway does not end\n%s", n.gateway.tail(20))
	}
	for _, p := range n.nodes { // it computes on without the gateway
		before := p.count("checkpointed", nil)
		eventually(t, time.Minute, p.name+" goes on", func() bool { return p.count("checkpointed", nil) > before })
	}
	n.startGateway(n.listen)
	require.Equal(t, first, n.gatewayReady())
	r := n.wait(id, 5*time.Minute)
	require.Equal(t, longResult, string(r.Result))
	for _, p := range n.nodes {
		require.Zero(t, p.count("recovered", nil), "nothing was lost")
		p.stop()
	}
}

// gatewayReady returns peer and addresses of the node beside the gateway.
func (n *network) gatewayReady() string {
	n.t.Helper()
	b, err := json.Marshal([]any{n.gateway.said["peer"], n.gateway.said["addrs"], n.gateway.said["url"]})
	require.NoError(n.t, err)
	require.Contains(n.t, string(b), "/tcp/")
	return string(b)
}

// A node that was killed and starts again in its directory asks first, then goes on with
// what it held, or drops what was recovered elsewhere meanwhile.
func TestKilledNodeComesBack(t *testing.T) {
	heavy(t)
	for _, c := range []struct {
		name string
		late bool
	}{{"at once", false}, {"after its work was recovered", true}} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			for range 3 {
				n.addNode()
			}
			id := n.submit("primes", longJob)
			for _, p := range n.nodes {
				p.computing()
			}
			victim := n.nodes[1]
			victim.kill()
			others := []*process{n.nodes[0], n.nodes[2]}
			recovered := func() (all int) {
				for _, p := range others {
					all += p.count("recovered", nil)
				}
				return all
			}
			if c.late {
				eventually(t, time.Minute, "its work is recovered", func() bool { return recovered() > 0 })
			}
			back := n.runNode("node2")
			n.nodes[1] = back
			r := n.wait(id, 5*time.Minute)
			require.Equal(t, longResult, string(r.Result))
			if c.late {
				require.Positive(t, back.count("dropped", nil), "it drops what others have now\n%s", back.tail(40))
			}
			for _, p := range n.nodes {
				p.stop()
			}
			n.gateway.stop()
			require.Empty(t, leftovers(t, n.dir))
			require.Empty(t, heldBy(t, n), "no node holds anything any more")
		})
	}
}

// heldBy lists lines of the nodes' logs that tell of WOBs kept when they left.
func heldBy(t *testing.T, n *network) (kept []string) {
	t.Helper()
	for _, p := range n.nodes {
		for line := range strings.Lines(p.tail(10000)) {
			if strings.Contains(line, "Some WOBs stay") {
				kept = append(kept, p.name+": "+line)
			}
		}
	}
	return kept
}
