package itest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bin is the directory with the built commands: wob, primes, nqueens, noop, badapp.
var bin string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wob-itest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	for name, pkg := range map[string]string{"wob": "./cmd/wob", "primes": "./examples/primes", "nqueens": "./examples/nqueens", "noop": "./itest/noop", "badapp": "./itest/badapp"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		build.Dir = ".."
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// heavy skips a test that takes minutes, unless it was asked for.
func heavy(t testing.TB) {
	t.Helper()
	if os.Getenv("CI") != "true" && os.Getenv("WOB_HEAVY") == "" {
		t.Skip("takes minutes; run with WOB_HEAVY=1")
	}
}

// runWob runs a command to its end and returns its standard output and exit code.
func runWob(t testing.TB, args ...string) (stdout string, code int) {
	t.Helper()
	stdout, errs, code := runWobBoth(t, args...)
	if errs != "" {
		t.Logf("wob %s: %s", strings.Join(args, " "), lastLines(errs, 5))
	}
	return stdout, code
}

// runWobBoth is runWob with the standard error.
func runWobBoth(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "wob"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("wob %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// wobJSON runs a command that must succeed and decodes what it printed.
func wobJSON(t testing.TB, into any, args ...string) {
	t.Helper()
	out, code := runWob(t, append(args, "--json")...)
	require.Zero(t, code, "wob %v: %s", args, out)
	require.NoError(t, json.Unmarshal([]byte(out), into), "wob %v printed %q", args, out)
}

// process is a command that runs beside the test. Its log is shown when the test fails.
type process struct {
	t     testing.TB
	name  string
	cmd   *exec.Cmd
	ready chan map[string]any
	said  map[string]any // when it was ready
	done  chan struct{}
	err   error

	mu     sync.Mutex // guards log and events
	log    bytes.Buffer
	events []map[string]any
}

// start runs wob with args in its own process group and waits for its ready line.
func start(t testing.TB, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, ready: make(chan map[string]any, 1), done: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(bin, "wob"), append(args, "--json")...)
	p.cmd.Env = append(os.Environ(), "WOB_LOG=debug")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.cmd.Stderr = p
	started := make(chan error)
	go func() { // Pdeathsig ends the child with the thread that started it
		runtime.LockOSThread()
		started <- p.cmd.Start()
		p.read(stdout)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() { p.end() })
	select {
	case p.said = <-p.ready:
	case <-p.done:
		t.Fatalf("%s ended at once: %v\n%s", name, p.err, p.tail(20))
	case <-time.After(30 * time.Second):
		t.Fatalf("%s is not ready after 30 s\n%s", name, p.tail(20))
	}
	return p
}

// read takes the JSON lines of the standard output: ready, then events.
func (p *process) read(r interface{ Read([]byte) (int, error) }) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var obj map[string]any
		if json.Unmarshal(lines.Bytes(), &obj) != nil {
			continue
		}
		if obj["event"] == "ready" {
			p.ready <- obj
			continue
		}
		p.mu.Lock()
		p.events = append(p.events, obj)
		p.mu.Unlock()
	}
}

// Write keeps the log.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return lastLines(p.log.String(), n)
}

// count tells how often an event was seen that fits.
func (p *process) count(name string, fits func(data map[string]any) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.events {
		data, _ := e["data"].(map[string]any)
		if e["event"] == name && (fits == nil || fits(data)) {
			n++
		}
	}
	return n
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	<-p.done
}

// stop ends the process in good order and expects exit code 0.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
		require.NoError(p.t, p.err, "%s did not end well\n%s", p.name, p.tail(20))
	case <-time.After(60 * time.Second):
		p.t.Fatalf("%s does not end\n%s", p.name, p.tail(20))
	}
}

// end is the clean-up: whatever still runs is killed; the log is shown if the test failed.
func (p *process) end() {
	select {
	case <-p.done:
	default:
		p.cmd.Process.Kill()
		<-p.done
	}
	if p.t.Failed() {
		p.t.Logf("--- %s\n%s", p.name, p.tail(40))
		if dir := os.Getenv("WOB_ITEST_LOGS"); dir != "" {
			os.MkdirAll(dir, 0o755)
			p.mu.Lock()
			os.WriteFile(filepath.Join(dir, strings.ReplaceAll(p.t.Name(), "/", "_")+"-"+p.name+".log"), p.log.Bytes(), 0o644)
			p.mu.Unlock()
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// network is a project with a gateway and nodes, made with the separate commands.
type network struct {
	t       testing.TB
	dir     string
	project string
	url     string
	listen  string
	gateway *process
	nodes   []*process
}

// newNetwork makes a project with applications and starts its gateway.
func newNetwork(t testing.TB, apps ...string) *network {
	t.Helper()
	if len(apps) == 0 {
		apps = []string{"primes", "nqueens"}
	}
	n := &network{t: t, dir: t.TempDir()}
	n.project = filepath.Join(n.dir, "project")
	_, code := runWob(t, "project", "new", "test", "--dir", n.project)
	require.Zero(t, code)
	for _, app := range apps {
		_, code = runWob(t, "project", "app", "add", "--project", n.project, packageDir(t, filepath.Join(n.dir, "apps"), app))
		require.Zero(t, code)
	}
	n.startGateway("127.0.0.1:0")
	return n
}

// packageDir makes an application's directory: its app.json and its program.
func packageDir(t testing.TB, under, app string) string {
	t.Helper()
	dir := filepath.Join(under, app)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	source := filepath.Join("..", "examples", app)
	if app == "noop" {
		source = "noop"
	}
	spec, err := os.ReadFile(filepath.Join(source, "app.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.json"), spec, 0o644))
	program, err := os.ReadFile(filepath.Join(bin, app))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, app), program, 0o755))
	return dir
}

// startGateway starts the gateway; the same listen address again after it was killed.
func (n *network) startGateway(listen string) {
	n.t.Helper()
	n.gateway = start(n.t, "gateway", "gateway", "run", "--project", n.project, "--listen", listen)
	if n.url == "" {
		out, err := os.ReadFile(filepath.Join(n.project, "gateway.json"))
		require.NoError(n.t, err)
		var at struct{ URL string }
		require.NoError(n.t, json.Unmarshal(out, &at))
		n.url, n.listen = at.URL, strings.TrimPrefix(at.URL, "http://")
	}
}

// addNode joins and starts a node with a data directory of its own.
func (n *network) addNode(args ...string) *process {
	n.t.Helper()
	name := fmt.Sprintf("node%d", len(n.nodes)+1)
	data := filepath.Join(n.dir, name)
	_, code := runWob(n.t, "join", n.url, "--data", data)
	require.Zero(n.t, code)
	p := n.runNode(name, args...)
	n.nodes = append(n.nodes, p)
	return p
}

// runNode starts a node that joined before.
func (n *network) runNode(name string, args ...string) *process {
	n.t.Helper()
	args = append([]string{"node", "run", "--data", filepath.Join(n.dir, name), "--events",
		"--listen", "/ip4/127.0.0.1/tcp/0", "--admin", "127.0.0.1:0"}, args...)
	if !slices.Contains(args, "--slots") {
		args = append(args, "--slots", "1")
	}
	return start(n.t, name, args...)
}

// submit injects a job and returns its id.
func (n *network) submit(app, boundary string) string {
	n.t.Helper()
	var answer struct{ ID string }
	wobJSON(n.t, &answer, "submit", "--project", n.project, "--app", app, "--boundary", boundary)
	return answer.ID
}

// result is what `wob result --json` prints.
type result struct {
	ID      string
	State   string
	Result  json.RawMessage
	Seconds float64
	WOBs    int
}

// wait waits for a job's result.
func (n *network) wait(id string, timeout time.Duration) result {
	n.t.Helper()
	var r result
	wobJSON(n.t, &r, "result", id, "--project", n.project, "--wait", "--timeout", timeout.String())
	return r
}

// eventually waits for a condition.
func eventually(t testing.TB, within time.Duration, what string, cond func() bool) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(within)
	for !cond() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
