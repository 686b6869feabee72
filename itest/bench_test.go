package itest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmarks run real processes on loopback; each reports ratios of figures taken in
// one run. Run one with
//
//	go test ./itest -run '^$' -bench Efficiency/primes -benchtime 1x -timeout 30m

// job is something to compute, with the boundaries of two halves that cost the same. An
// uneven search has none: then both are the whole job, which counts twice.
type job struct {
	app, boundary, result string
	halves                [2]string
	whole                 bool
}

var jobs = map[string]job{
	"primes": {
		app: "primes", boundary: `{"lo":0,"hi":300000000000}`, result: "11818439135", // pi(3*10^11)
		halves: [2]string{`{"lo":0,"hi":150000000000}`, `{"lo":150000000000,"hi":300000000000}`},
	},
	"nqueens": {
		app: "nqueens", boundary: `{"n":17}`, result: "95815104",
		halves: [2]string{`{"n":17}`, `{"n":17}`}, whole: true,
	},
}

// standalone runs both halves at once, each alone in a process without a network, and
// returns the seconds in which two processors do the whole job: the mean of the two, so
// that halves need not be equal.
func standalone(b *testing.B, j job) float64 {
	b.Helper()
	dir := packageDir(b, b.TempDir(), j.app)
	var wg sync.WaitGroup
	var seconds [2]float64
	for i, half := range j.halves {
		wg.Go(func() {
			cmd := exec.Command(filepath.Join(bin, "wob"), "app", "check", "--bench", "--json", "--boundary", half)
			cmd.Dir = dir
			out, err := cmd.Output()
			var report struct{ Seconds float64 }
			if err == nil {
				err = json.Unmarshal(out, &report)
			}
			if err != nil {
				b.Errorf("app check --bench: %v: %s", err, out)
			}
			seconds[i] = report.Seconds
		})
	}
	wg.Wait()
	mean := (seconds[0] + seconds[1]) / 2
	if j.whole {
		return mean / 2
	}
	return mean
}

// quietNetwork is a network of one-slot nodes that is up and idle: every node has its
// application running and the cluster its supervisors.
func quietNetwork(b *testing.B, nodes int, apps ...string) *network {
	b.Helper()
	n := newNetwork(b, apps...)
	for range nodes {
		n.addNode()
	}
	for _, p := range n.nodes {
		eventually(b, 30*time.Second, p.name+" asks for work", func() bool { return p.count("workAt", nil) > 0 })
	}
	return n
}

// BenchmarkEfficiency compares two one-slot nodes, from submit to result, with two
// standalone halves run at once on the same machine, and tells the processor time of the
// middleware (gateway and nodes with their reapers) as a share of the job's.
func BenchmarkEfficiency(b *testing.B) {
	for _, name := range []string{"primes", "nqueens"} {
		b.Run(name, func(b *testing.B) {
			j := jobs[name]
			for range b.N {
				alone := standalone(b, j)
				n := quietNetwork(b, 2, j.app)
				before := n.cpu()
				id := n.submit(j.app, j.boundary)
				r := n.wait(id, 10*time.Minute)
				require.Equal(b, j.result, string(r.Result))
				b.ReportMetric(alone/r.Seconds, "efficiency")
				b.ReportMetric(r.Seconds, "s/job")
				b.ReportMetric(100*(n.cpu()-before)/(2*alone), "%middleware")
				b.ReportMetric(float64(r.WOBs), "wobs")
				n.stop()
			}
		})
	}
}

// BenchmarkKill compares the remainder of a job after one of two nodes was killed at half
// time with what one node alone would need for that remainder without a fault.
func BenchmarkKill(b *testing.B) {
	j := jobs["primes"]
	for range b.N {
		alone := standalone(b, j)
		n := quietNetwork(b, 2, j.app)
		start := time.Now()
		id := n.submit(j.app, j.boundary)
		eventually(b, time.Minute, "half time", func() bool { return time.Since(start).Seconds() >= alone/2 })
		n.nodes[1].kill()
		killed := time.Now()
		r := n.wait(id, 10*time.Minute)
		require.Equal(b, j.result, string(r.Result))
		b.ReportMetric(time.Since(killed).Seconds()/alone, "x-remainder")
		n.stop()
	}
}

// BenchmarkNoop counts full cycles of split, store, transfer, finish, merge and
// acknowledgement of WOBs without work, over 4 nodes.
func BenchmarkNoop(b *testing.B) {
	const parts = 2000
	for range b.N {
		n := quietNetwork(b, 4, "noop")
		syncs := n.syncs()
		id := n.submit("noop", fmt.Sprintf(`{"n":%d}`, parts))
		r := n.wait(id, 5*time.Minute)
		require.Equal(b, strconv.Itoa(parts), string(r.Result))
		b.ReportMetric(parts/r.Seconds, "cycles/s")
		b.ReportMetric(parts/float64(n.syncs()-syncs), "cycles/fsync")
		b.ReportMetric(n.waited(), "ms-request-to-computing")
		n.stop()
	}
}

// BenchmarkRequest is the time from an idle node's request to its application computing:
// the median over the splits of a real job.
func BenchmarkRequest(b *testing.B) {
	for range b.N {
		n := quietNetwork(b, 2, "primes")
		id := n.submit("primes", `{"limit":20000000000}`)
		n.wait(id, time.Minute)
		b.ReportMetric(n.waited(), "ms-request-to-computing")
		n.stop()
	}
}

// BenchmarkIdle tells what an idle node costs.
func BenchmarkIdle(b *testing.B) {
	for range b.N {
		n := quietNetwork(b, 2, "primes")
		rss := 0.0
		for _, p := range n.nodes {
			rss = max(rss, residentMB(b, p.cmd.Process.Pid))
		}
		b.ReportMetric(rss, "MB-rss")
		n.stop()
	}
}

// stop ends all processes in good order.
func (n *network) stop() {
	for _, p := range n.alive() {
		p.stop()
	}
	n.gateway.stop()
}

// waited is the median time from a request to computing, in milliseconds.
func (n *network) waited() float64 {
	var all []float64
	for _, p := range n.nodes {
		p.mu.Lock()
		for _, e := range p.events {
			data, _ := e["data"].(map[string]any)
			if ns, _ := data["waited"].(float64); e["event"] == "computing" && ns > 0 {
				all = append(all, ns/1e6)
			}
		}
		p.mu.Unlock()
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// syncs counts the fsynced commits of all nodes that run.
func (n *network) syncs() uint64 {
	var sum uint64
	for i := range n.nodes {
		var s struct{ Projects []struct{ Syncs uint64 } }
		wobJSON(n.t, &s, "status", "--data", filepath.Join(n.dir, fmt.Sprintf("node%d", i+1)))
		for _, p := range s.Projects {
			sum += p.Syncs
		}
	}
	return sum
}

// cpu is the processor time in seconds of the middleware's processes so far: gateway,
// nodes and the reapers between nodes and applications.
func (n *network) cpu() float64 {
	sum := 0.0
	for _, p := range append([]*process{n.gateway}, n.nodes...) {
		sum += processCPU(n.t, p.cmd.Process.Pid)
		for _, child := range children(p.cmd.Process.Pid) {
			sum += processCPU(n.t, child)
		}
	}
	return sum
}

// processCPU is a process's own user and system time in seconds.
func processCPU(t testing.TB, pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0 // it ended
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	require.NoError(t, err)
	system, err := strconv.ParseFloat(fields[12], 64)
	require.NoError(t, err)
	return (user + system) / 100 // clock ticks
}

func children(pid int) []int {
	var all []int
	out, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range tasks {
		more, _ := os.ReadFile(file)
		out = append(append(out, ' '), more...)
	}
	for _, f := range strings.Fields(string(out)) {
		if id, err := strconv.Atoi(f); err == nil && !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

func residentMB(t testing.TB, pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			require.NoError(t, err)
			return kb / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
