package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/wob"
)

const loopback = "/ip4/127.0.0.1/tcp/0"

func gatewayOf(t *testing.T, project string, more ...string) *daemon {
	t.Helper()
	return serve(t, append([]string{"gateway", "run", "--project", project, "--listen", "127.0.0.1:0", "--grace", "1s"}, more...)...)
}

// A project from its making to its result, with the separate commands.
func TestSeparateCommands(t *testing.T) {
	project, data := aProject(t), filepath.Join(t.TempDir(), "node")
	g := gatewayOf(t, project)
	require.Contains(t, g.ready.URL, "http://127.0.0.1:")
	require.NotEmpty(t, g.ready.Peer)
	require.NotEmpty(t, g.ready.Addrs)

	require.Empty(t, ok[api.Roots](t, "ls", "--project", project).WOBs)
	m := ok[node.Membership](t, "join", g.ready.URL+"#"+g.ready.Project, "--data", data)
	require.Equal(t, "pi", m.Name)
	n := serve(t, "node", "run", "--data", data, "--listen", loopback, "--admin", "127.0.0.1:0", "--slots", "1", "--grace", "1s")
	require.NotEmpty(t, n.ready.Peer)
	require.Contains(t, n.ready.Admin, "http://127.0.0.1:")

	submit := []string{"submit", "--project", project, "--app", "primes", "--boundary", `{"limit":1000000}`}
	id := ok[struct{ ID string }](t, submit...).ID
	r := ok[api.Result](t, "result", "--project", project, id, "--wait", "--timeout", "30s")
	require.Equal(t, api.Finished, r.State)
	require.EqualValues(t, "78498", r.Result)

	again := append(submit, "--id", id)
	require.Equal(t, id, ok[struct{ ID string }](t, again...).ID, "the same job, not a second one")
	code, _, errs := command(t, "submit", "--project", project, "--app", "primes", "--boundary", `{"limit":7}`, "--id", id)
	require.Equal(t, exitFailed, code, "another job under that id: %s", errs)
	code, out, errs := command(t, append(submit, "--wait", "--timeout", "30s")...)
	require.Zero(t, code, errs)
	require.Equal(t, "78498", strings.Fields(out)[1])

	roots := ok[api.Roots](t, "ls", "--project", project).WOBs
	require.Len(t, roots, 2)
	require.EqualValues(t, id, roots[0].ID)
	require.Equal(t, api.Finished, ok[api.Root](t, "show", "--project", project, id[:8]).State, "by the first characters")
	require.EqualValues(t, id, ok[api.Node](t, "tree", "--project", project, id).ID)

	s := ok[node.Status](t, "status", "--data", data)
	require.Len(t, s.Projects, 1)
	require.Equal(t, []string{"primes@1.0.0"}, s.Projects[0].Apps)
	ok[any](t, "pause", "--data", data, "--for", "1h")
	require.True(t, ok[node.Status](t, "status", "--data", data).Paused)
	ok[any](t, "resume", "--data", data)
	require.False(t, ok[node.Status](t, "status", "--data", data).Paused)
	_, out, _ = command(t, "status", "--data", data)
	require.Contains(t, out, "pi ("+g.ready.Project+")")

	code, _, errs = command(t, "node", "run", "--data", data, "--admin", "127.0.0.1:0")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "--data", "a second node in that directory")
	ok[any](t, "leave", "pi", "--data", data, "--grace", "1s")
	require.Empty(t, ok[node.Status](t, "status", "--data", data).Projects)

	require.Zero(t, n.stop(t), n.log.String())
	code, _, _ = command(t, "status", "--data", data)
	require.Equal(t, exitNotRunning, code)
	require.Zero(t, g.stop(t), g.log.String())
	code, _, _ = command(t, "ls", "--project", project)
	require.Equal(t, exitNotRunning, code)
}

func TestAccess(t *testing.T) {
	project := aProject(t)
	g := gatewayOf(t, project, "--no-node")
	require.Empty(t, g.ready.Peer)
	for _, args := range [][]string{
		{"ls", "--gateway", g.ready.URL},
		{"ls", "--gateway", g.ready.URL, "--token", "wrong"},
		{"submit", "--gateway", g.ready.URL, "--token", "wrong", "--app", "primes", "--boundary", "{}"},
	} {
		code, _, errs := command(t, args...)
		require.Equal(t, exitDenied, code, errs)
		require.Contains(t, errs, "--token")
	}
	code, _, errs := command(t, "submit", "--project", project, "--app", "nothing", "--boundary", "{}")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "primes@1.0.0", "an unknown application: the known ones are named")
	code, _, errs = command(t, "join", g.ready.URL+"#"+strings.Repeat("a", 32), "--data", t.TempDir())
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, g.ready.Project, "another project is pinned")
	code, _, _ = command(t, "result", "--project", project, "0b6cdd3e-6c1c-4bd5-8b3b-2f4a5fdc0f0e")
	require.Equal(t, exitFailed, code, "an unknown job")
}

// Nobody takes the job: it can be waited for and cancelled all the same.
func TestWaitAndCancel(t *testing.T) {
	project := aProject(t)
	gatewayOf(t, project, "--no-node")
	id := ok[struct{ ID string }](t, "submit", "--project", project, "--app", "primes", "--boundary", `{"limit":1000}`).ID
	r := ok[api.Result](t, "result", "--project", project, id)
	require.Equal(t, api.Queued, r.State)
	require.EqualValues(t, "", r.Result, "null")
	code, _, errs := command(t, "result", "--project", project, id, "--wait", "--timeout", "300ms")
	require.Equal(t, exitTimeout, code, errs)
	ok[any](t, "cancel", "--project", project, id)
	code, _, errs = command(t, "where", "--project", project, id)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "is over (cancelled)")
	code, out, errs := command(t, "result", "--project", project, id, "--wait", "--json")
	require.Equal(t, exitFailed, code, errs)
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, api.Cancelled, r.State)
}

// Who stops waiting is told that the job goes on, and how to wait again.
func TestWaitInterrupted(t *testing.T) {
	id := "0b6cdd3e-6c1c-4bd5-8b3b-2f4a5fdc0f0e"
	asked := make(chan struct{}, 100)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/result") {
			w.WriteHeader(http.StatusAccepted)
			asked <- struct{}{}
		}
		fmt.Fprintf(w, `{"id":%q,"state":"running"}`, id)
	}))
	defer gateway.Close()
	for _, args := range [][]string{{"result", id}, {"submit", "--id", id, "--app", "primes", "--boundary", "{}"}} {
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			var errs bytes.Buffer
			cmd := exec.Command(program, append(args, "--wait", "--gateway", gateway.URL)...)
			cmd.Stderr = &errs
			require.NoError(t, cmd.Start())
			<-asked
			<-asked // it looks again and again: it waits
			require.NoError(t, cmd.Process.Signal(sig))
			_ = cmd.Wait()
			require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%v %v: %s", args, sig, &errs)
			lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
			require.Equal(t, "wob: the job goes on; `wob result "+id+" --wait` waits for it", lines[len(lines)-1])
		}
	}
}

// What a job is and why it failed, for people.
func TestShowForPeople(t *testing.T) {
	show := func(r api.Root) string {
		var out bytes.Buffer
		require.NoError(t, (&env{out: &out}).showRoot(r))
		return out.String()
	}
	failed := show(api.Root{ID: "x", State: api.Failed, Injected: new(time.Time), Failures: []wob.Failure{
		{Node: "peer", Error: "exit status 3", Log: "starting\n\nboundary: no limit\n"}}})
	require.Regexp(t, `(?m)^failure +on peer: exit status 3\n +\| starting\n +\| boundary: no limit\n$`, failed)
	require.Contains(t, failed, "0.0s")
	require.NotContains(t, show(api.Root{ID: "x", Parent: "y", State: api.Running}), "0.0s", "a part of a job has no time")
	require.Regexp(t, "state +suspended", show(api.Root{ID: "x", State: api.Running, Phase: wob.Suspended}))
	require.Regexp(t, "state +finished", show(api.Root{ID: "x", State: api.Finished, Phase: wob.Suspended}))
}

// The gateway comes back under the same address, and who waits for a result waits on.
func TestGatewayRestart(t *testing.T) {
	project := aProject(t)
	g := gatewayOf(t, project)
	addr := strings.TrimPrefix(g.ready.URL, "http://")
	waiting := exec.Command(program, "submit", "--project", project, "--app", "primes", "--boundary", `{"limit":1000}`,
		"--wait", "--timeout", "30s")
	out, err := waiting.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, waiting.Start())
	defer waiting.Process.Kill()
	said := bufio.NewReader(out)
	id, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Len(t, id, 37)

	require.NoError(t, g.cmd.Process.Kill())
	<-g.ended
	again := serve(t, "gateway", "run", "--project", project, "--listen", addr, "--grace", "1s")
	require.Equal(t, g.ready.Addrs, again.ready.Addrs)
	require.Equal(t, g.ready.Peer, again.ready.Peer)
	data := filepath.Join(t.TempDir(), "node")
	n := serve(t, "node", "run", "--data", data, "--listen", loopback, "--admin", "127.0.0.1:0", "--slots", "1", "--grace", "1s")
	require.Empty(t, n.ready.Peer, "no project yet")
	ok[any](t, "join", again.ready.URL, "--data", data) // while the node runs
	result, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "168\n", result)
	require.NoError(t, waiting.Wait())
}

// Two gateways with stores of their own would split a project.
func TestOneGatewayPerProject(t *testing.T) {
	project := aProject(t)
	g := gatewayOf(t, project, "--no-node")
	before, err := os.ReadFile(filepath.Join(project, gatewayFile))
	require.NoError(t, err)
	second := []string{"--no-node", "--data", filepath.Join(t.TempDir(), "other")}
	code, out, errs := command(t, append([]string{"gateway", "run", "--project", project, "--listen", "127.0.0.1:0"}, second...)...)
	require.Equal(t, exitFailed, code, errs)
	require.Empty(t, out)
	require.Contains(t, errs, g.ready.URL)
	require.Contains(t, errs, "stop it")
	require.Equal(t, 1, strings.Count(errs, "\n"), errs)
	after, err := os.ReadFile(filepath.Join(project, gatewayFile))
	require.NoError(t, err)
	require.Equal(t, before, after)

	require.NoError(t, g.cmd.Process.Kill())
	<-g.ended
	again := gatewayOf(t, project, second...)
	require.Zero(t, again.stop(t), again.log.String())
}

func TestNodeThatLosesItsStarterEnds(t *testing.T) {
	data := filepath.Join(t.TempDir(), "node")
	cmd := exec.Command(program, "node", "run", "--data", data, "--admin", "127.0.0.1:0", "--lifeline")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(data, "admin.json"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, stdin.Close())
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("it runs on")
	}
}

func TestAppCheck(t *testing.T) {
	code, out, errs := command(t, "app", "check", "--bench", "--boundary", `{"limit":1000000}`, "--", program, "example", "primes")
	require.Zero(t, code, errs+out)
	require.Contains(t, out, "78498 in ")
	code, _, errs = command(t, "app", "check", "--boundary", `{"limit":1000000}`, "--", "sh", "-c", "exit 1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errs, "protocol")
}
