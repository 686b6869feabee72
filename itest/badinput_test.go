package itest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// badPackage makes a package of badapp with a fault, named after it.
func badPackage(t testing.TB, under, fault, version string) string {
	t.Helper()
	dir := filepath.Join(under, fault+"-"+version)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	program, err := os.ReadFile(filepath.Join(bin, "badapp"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "badapp"), program, 0o755))
	actual := fault
	if version != "1.0.0" { // a new version mends it
		actual = "none"
	}
	spec, err := json.Marshal(map[string]any{
		"name": fault, "version": version, "checkpoint": "500ms", "run": []string{"./badapp", actual, fault, version},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.json"), spec, 0o644))
	return dir
}

// addBad adds badapp with a fault to the running project.
func (n *network) addBad(fault, version string) {
	n.t.Helper()
	_, code := runWob(n.t, "project", "app", "add", "--project", n.project, badPackage(n.t, filepath.Join(n.dir, "apps"), fault, version))
	require.Zero(n.t, code)
}

// badNetwork is a network of one-slot nodes with badapp of these faults and primes.
func badNetwork(t *testing.T, nodes int, faults ...string) *network {
	n := newNetwork(t, "primes")
	for _, f := range faults {
		n.addBad(f, "1.0.0")
	}
	for range nodes {
		n.addNode()
	}
	return n
}

// fine checks that all nodes live and compute another job.
func (n *network) fine() {
	n.t.Helper()
	r := n.wait(n.submit("primes", `{"limit":100000000}`), time.Minute)
	require.Equal(n.t, "finished", r.State)
	require.Equal(n.t, "5761455", string(r.Result))
	for _, p := range n.nodes {
		select {
		case <-p.done:
			n.t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.tail(20))
		default:
		}
	}
}

// failed waits for the end of a job that cannot be computed and returns what people are
// told: its exit code is 1, its last lines are shown.
func (n *network) failed(id string, within time.Duration) string {
	n.t.Helper()
	out, code := runWob(n.t, "result", id, "--project", n.project, "--wait", "--timeout", within.String(), "--json")
	require.Equal(n.t, 1, code, out)
	var r struct {
		State    string
		Failures []struct{ Node, Error, Log string }
	}
	require.NoError(n.t, json.Unmarshal([]byte(out), &r), out)
	require.Equal(n.t, "failed", r.State)
	nodes := map[string]bool{}
	for _, f := range r.Failures {
		nodes[f.Node] = true
	}
	require.Len(n.t, nodes, 3, "%v", r.Failures)
	last := r.Failures[len(r.Failures)-1]
	return last.Error + "\n" + last.Log
}

// failures counts the failures that the nodes saw, with an error that has words in it.
func (n *network) failures(words string) int {
	all := 0
	for _, p := range n.nodes {
		all += p.count("appFailed", func(d map[string]any) bool {
			e, _ := d["error"].(string)
			return strings.Contains(e, words)
		})
	}
	return all
}

// An application that crashes ends its job after three nodes, with its last words.
func TestApplicationThatCrashes(t *testing.T) {
	n := badNetwork(t, 3, "crashes")
	id := n.submit("crashes", `{"n":1000}`)
	require.Contains(t, n.failed(id, time.Minute), "licence file not found")
	require.Equal(t, 9, n.failures("exit status 3"), "three times on each of three nodes")
	n.fine()
}

// An application that does not start keeps its jobs waiting; a mended version computes them.
func TestApplicationThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	n := badNetwork(t, 1, "exits")
	id := n.submit("exits", `{"n":20}`)
	eventually(t, 20*time.Second, "the log says why", func() bool { return strings.Contains(n.nodes[0].tail(400), "no graphics card") })
	n.fine()
	n.addBad("exits", "1.0.1")
	require.Equal(t, "20", string(n.wait(id, time.Minute).Result))
}

func TestApplicationThatPrintsJunk(t *testing.T) {
	t.Parallel()
	n := badNetwork(t, 1, "junk")
	require.Equal(t, "100", string(n.wait(n.submit("junk", `{"n":100}`), time.Minute).Result))
	n.fine()
}

// A checkpoint that is too large is refused by name; the job fails after three nodes.
func TestApplicationWithTooLargeACheckpoint(t *testing.T) {
	t.Parallel()
	n := badNetwork(t, 3, "large")
	id := n.submit("large", `{"n":1000000}`)
	require.Contains(t, n.failed(id, time.Minute), "checkpoint")
	n.fine()
}

// What hangs is ended at the protocol's deadline; the WOB is kept and can be cancelled.
func TestApplicationsThatHang(t *testing.T) {
	heavy(t)
	for fault, method := range map[string]string{"hangs": "OnWOBInit", "late": "OnCheckpoint"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			n := badNetwork(t, 1, fault)
			id := n.submit(fault, `{"n":1000000}`)
			eventually(t, time.Minute, "the deadline", func() bool { return n.failures(method) > 0 })
			var root struct{ State string }
			wobJSON(t, &root, "show", id, "--project", n.project)
			require.Contains(t, []string{"queued", "running"}, root.State)
			_, code := runWob(t, "cancel", id, "--project", n.project)
			require.Zero(t, code)
			n.fine()
		})
	}
}

// All of the three nodes give up a job whose application hangs.
func TestApplicationThatHangsEverywhere(t *testing.T) {
	heavy(t)
	t.Parallel()
	n := badNetwork(t, 3, "hangs")
	id := n.submit("hangs", `{"n":1000000}`)
	require.Contains(t, n.failed(id, 8*time.Minute), "OnWOBInit")
	n.fine()
}

// Bad submissions are refused with a word on what to do; the network goes on.
func TestBadSubmissions(t *testing.T) {
	t.Parallel()
	n := badNetwork(t, 1)
	submit := func(code int, says string, args ...string) {
		t.Helper()
		_, errs, got := runWobBoth(t, append([]string{"submit", "--gateway", n.url}, args...)...)
		require.Equal(t, code, got, errs)
		require.Contains(t, errs, says)
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
	}
	token, err := os.ReadFile(filepath.Join(n.project, "owner.token"))
	require.NoError(t, err)
	right := strings.TrimSpace(string(token))
	submit(1, "primes@1.0.0", "--token", right, "--app", "prines", "--boundary", `{}`)
	submit(2, "not JSON", "--token", right, "--app", "primes", "--boundary", `{"limit"`)
	submit(4, "--token", "--token", right+"x", "--app", "primes", "--boundary", `{}`)
	n.fine()
	// A boundary that only the application can refuse: the job fails with its words.
	n.addNode()
	n.addNode()
	id := n.submit("primes", `{"limit":"many"}`)
	require.Contains(t, n.failed(id, time.Minute), "boundary")
	n.fine()
	n.gateway.kill()
	submit(3, "wob gateway run", "--token", right, "--app", "primes", "--boundary", `{}`)
}

// wob app check tells what is wrong with each of them before a network ever sees it.
func TestCheckOfBadApplications(t *testing.T) {
	for fault, says := range map[string]string{
		"exits": "no graphics card", "crashes": "licence file not found", "large": "8 MiB",
	} {
		t.Run(fault, func(t *testing.T) {
			out, code := runWob(t, "app", "check", "--boundary", `{"n":100}`, "--", filepath.Join(bin, "badapp"), fault, fault, "1.0.0")
			require.Equal(t, 1, code, out)
			require.Contains(t, out, says)
		})
	}
	out, code := runWob(t, "app", "check", "--boundary", `{"n":100}`, "--", filepath.Join(bin, "badapp"), "none", "none", "1.0.0")
	require.Zero(t, code, fmt.Sprint("it is the fault that is found: ", out))
}
