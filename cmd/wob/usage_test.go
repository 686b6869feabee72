package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// Every command that is given something wrong says so in one line, and what to do next.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		return name
	}
	project := filepath.Join(dir, "pi")
	code, _, errs := inProcess("project", "new", "pi", "--dir", project)
	require.Zero(t, code, errs)
	noSpec := filepath.Join(dir, "empty")
	require.NoError(t, os.Mkdir(noSpec, 0o700))
	badSpec := filepath.Dir(file("bad/app.json", "{"))
	noProgram := filepath.Dir(file("noprogram/app.json", `{"name":"x","version":"1.0.0","run":["./x"]}`))
	node := filepath.Join(dir, "node")
	down := "http://127.0.0.1:1"
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	id := "0b6cdd3e-6c1c-4bd5-8b3b-2f4a5fdc0f0e"

	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"nonsense", exitUsage, "wob --help"},
		{"nonsense --help", exitUsage, "`wob nonsense`; `wob --help`"},
		{"help nonsense", exitUsage, "`wob nonsense`; `wob --help`"},
		{"help node nonsense", exitUsage, "`wob node nonsense`; `wob node --help`"},
		{"node nonsense --help", exitUsage, "`wob node nonsense`; `wob node --help`"},
		{"node nonsense", exitUsage, "wob node --help"},
		{"node", exitUsage, "wob node --help"},
		{"ls --nonsense", exitUsage, "wob ls --help"},
		{"ls more", exitUsage, "one argument too many"},
		{"show", exitUsage, "ID is missing"},
		{"result --wait --timeout x " + id, exitUsage, "invalid argument"},
		{"result --timeout 1s " + id, exitUsage, "--wait"},
		{"show not-an-id --gateway " + down, exitUsage, "wob ls"},

		{"show 0b6 --gateway " + down, exitUsage, "at least 4 characters"},

		{"project new a/b --dir " + filepath.Join(dir, "x"), exitUsage, "letters"},
		{"project new pi --dir " + project, exitFailed, "another directory"},
		{"project app add " + noSpec, exitUsage, "--project"},
		{"project app add --project " + dir + " " + noSpec, exitUsage, "wob project new"},
		{"project app add --project " + project + " " + noSpec, exitUsage, "app.json"},
		{"project app add --project " + project + " " + badSpec, exitUsage, "app.json"},
		{"project app add --project " + project + " " + noProgram, exitUsage, "build it first"},

		{"submit --boundary {}", exitUsage, "--app"},
		{"submit --app x", exitUsage, "--boundary JSON or --file"},
		{"submit --app x --boundary {} --file x", exitUsage, "--boundary JSON or --file"},
		{"submit --app x --boundary {", exitUsage, "not JSON"},
		{"submit --app x --file " + file("b.json", "[1,"), exitUsage, "not JSON"},
		{"submit --app x --file " + filepath.Join(dir, "none"), exitUsage, "cannot read"},
		{"submit --app x --boundary {} --id 7", exitUsage, "UUID"},
		{"submit --app x --boundary {} --timeout 1s", exitUsage, "--wait"},
		{"submit --app x --boundary {} --gateway nonsense", exitUsage, "http://127.0.0.1:8080"},
		{"submit --app x --boundary {} --gateway " + down, exitNotRunning, "wob gateway run"},
		{"ls --project " + dir, exitUsage, "wob project new"},
		{"ls --gateway " + down, exitNotRunning, "wob gateway run"},
		{"result --wait --gateway " + down + " " + id, exitNotRunning, "wob gateway run"},
		{"cancel --gateway " + down + " " + id, exitNotRunning, "wob gateway run"},

		{"join nonsense --data " + node, exitUsage, "http://127.0.0.1:8080"},
		{"join " + down + " --data " + node, exitNotRunning, "wob gateway run"},
		{"join " + down + "#xyz --data " + node, exitUsage, "such as mzxw6ytboi4dsmbqgezdgnbvgy3tqojq"},
		{"join " + down + "# --data " + node, exitUsage, "leave out the #"},
		{"join " + down + "#" + strings.Repeat("A", 32) + " --data " + node, exitNotRunning, "wob gateway run"},
		{"leave x --data " + node, exitFailed, "wob status"},
		{"leave x --grace -1s --data " + node, exitUsage, "negative"},
		{"status --data " + node, exitNotRunning, "wob node run"},
		{"pause --data " + node, exitNotRunning, "wob node run"},
		{"pause --for -1h --data " + node, exitUsage, "negative"},
		{"resume --data " + node, exitNotRunning, "wob node run"},
		{"node run --slots -1 --data " + node, exitUsage, "--no-compute"},
		{"node run --capacity 1 --data " + node, exitUsage, "from 2 to 1048576; a supervisor needs"},
		{"node run --listen nonsense --data " + node, exitUsage, "/ip4/0.0.0.0/tcp/4001"},
		{"node run --log nonsense --data " + node, exitUsage, "debug, info"},
		{"node run --admin nonsense --data " + node, exitUsage, "127.0.0.1:8420"},
		{"node run --admin 0.0.0.0:0 --data " + node, exitUsage, "127.0.0.1"},
		{"node run --data " + node + " --admin " + taken.Addr().String(), exitFailed, "--admin"},

		{"gateway run", exitUsage, "--project"},
		{"gateway run --project " + dir, exitUsage, "wob project new"},
		{"gateway run --listen nonsense --project " + project, exitUsage, "127.0.0.1:8080"},
		{"gateway run --listen 0.0.0.0:0 --project " + project, exitUsage, "--insecure"},
		{"gateway run --p2p nonsense --project " + project, exitUsage, "multiaddr"},
		{"gateway run --project " + project + " --listen " + taken.Addr().String(), exitFailed, "--listen"},

		{"demo --app nonsense", exitUsage, "nqueens and primes"},
		{"demo --limit x", exitUsage, "invalid argument"},
		{"demo --capacity 1", exitUsage, "from 2 to 1048576; a supervisor needs"},
		{"demo --kill 4", exitUsage, "must survive"},
		{"demo --keep " + dir, exitUsage, "not empty"},

		{"app check x", exitUsage, "--"},
		{"app check --boundary {", exitUsage, "not JSON"},
		{"app check", exitUsage, "app.json"},
		{"app check --boundary {} -- " + filepath.Join(dir, "none"), exitFailed, "steps"},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, _, errs := inProcess(strings.Fields(c.args)...)
			require.Equal(t, c.code, code, errs)
			require.Contains(t, errs, c.says)
			require.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
		})
	}
}

// inProcess runs a command that comes to an end by itself without a process.
func inProcess(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(args, &o, &e)
	return code, o.String(), e.String()
}

func TestBoundaryOfStandardInput(t *testing.T) {
	cmd := exec.Command(program, "submit", "--app", "x", "--file", "-")
	cmd.Stdin = strings.NewReader("{")
	out, _ := cmd.CombinedOutput()
	require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), "%s", out)
	require.Contains(t, string(out), "wob: standard input is not JSON")
}

func TestOutputThatIsLost(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		missing(t, "no /dev/full here")
	}
	defer full.Close()
	for _, args := range [][]string{{"demo", "--limit", "1000", "--nodes", "1"}, {"version"}, {"--help"}, {"version", "--json"}} {
		var errs bytes.Buffer
		cmd := exec.Command(program, args...)
		cmd.Stdout, cmd.Stderr = full, &errs
		_ = cmd.Run()
		require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%v", args)
		require.Contains(t, errs.String(), "no space left", "%v", args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	}
}

func TestAppAddWarnsOfUnknownFields(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pi")
	code, _, errs := inProcess("project", "new", "pi", "--dir", dir)
	require.Zero(t, code, errs)
	app := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(app, "app.json"),
		[]byte(`{"name":"x","version":"1.0.0","run":["sh"],"checkpiont":"5s"}`), 0o600))
	code, out, errs := inProcess("project", "app", "add", "--project", dir, app, "--json")
	require.Zero(t, code, errs)
	require.Contains(t, errs, `"checkpiont"`)
	require.Equal(t, 1, strings.Count(errs, "\n"))
	require.Contains(t, out, `"name":"x"`)
	code, out, errs = inProcess("help", "node", "run")
	require.Zero(t, code, errs)
	require.Contains(t, out, "--slots")
}

func TestOneLine(t *testing.T) {
	require.Equal(t, "job failed: exit 1; its last lines: a; b; next", oneLine("job failed: exit 1; its last lines:\n a\n \n;b;\r\n\nnext\n"))
	require.Empty(t, oneLine("\n;\n"))
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	root := (&env{}).root()
	root.InitDefaultHelpCmd()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		require.NotEmpty(t, c.Example, c.CommandPath())
		require.NotEmpty(t, c.Short, c.CommandPath())
		path := strings.Fields(c.CommandPath())[1:]
		code, out, _ := inProcess(append(path, "--help")...)
		require.Zero(t, code, c.CommandPath())
		require.Contains(t, out, "Examples:", c.CommandPath())
		require.Contains(t, out, "--json", c.CommandPath())
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

func TestPrecedence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pi")
	code, _, errs := inProcess("project", "new", "pi", "--dir", dir)
	require.Zero(t, code, errs)
	require.NoError(t, writeGatewayInfo(dir, "http://project:1"))
	token, err := os.ReadFile(filepath.Join(dir, "owner.token"))
	require.NoError(t, err)
	client := func(e env) (string, string) {
		c, err := e.owner()
		require.NoError(t, err)
		return c.URL, c.Token
	}
	pair := func(a, b string) []string { return []string{a, b} }
	require.Equal(t, pair(defaultGateway, ""), pair(client(env{})))
	require.Equal(t, pair("http://project:1", strings.TrimSpace(string(token))), pair(client(env{project: dir})))
	t.Setenv("WOB_GATEWAY", "http://environment:1")
	t.Setenv("WOB_TOKEN", "environment")
	require.Equal(t, pair("http://environment:1", "environment"), pair(client(env{project: dir})))
	require.Equal(t, pair("http://flag:1", "flag"), pair(client(env{project: dir, gateway: "http://flag:1", token: "flag"})))
	t.Setenv("WOB_DATA", "/environment")
	require.Equal(t, "/environment", (&env{}).dataDir())
	require.Equal(t, "/flag", (&env{data: "/flag"}).dataDir())
}

func TestVersion(t *testing.T) {
	v := ok[struct{ Version, Go, Libp2p string }](t, "version")
	require.NotEmpty(t, v.Version)
	require.Contains(t, v.Go, "go1.")
	require.Contains(t, v.Libp2p, "v0.")
}

func TestShimAndExampleAreNoCommands(t *testing.T) {
	code, _, errs := command(t, "app-exec")
	require.Equal(t, exitUsage, code, errs)
	code, _, errs = command(t, "example", "nothing")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "primes|nqueens")
	_, help, _ := command(t, "--help")
	require.NotContains(t, help, "app-exec")
	require.NotContains(t, help, "example  ")
}
