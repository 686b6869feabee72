package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is the wob executable, built once: the commands are tested as processes, since
// signals, exit codes and what is left behind are what counts.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "wob-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		for _, name := range []string{"WOB_DATA", "WOB_GATEWAY", "WOB_TOKEN", "WOB_LOG"} {
			os.Unsetenv(name)
		}
		program = filepath.Join(dir, "wob")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
			return 1
		}
		return m.Run()
	}())
}

// command runs a command to its end and returns its exit code and output.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil {
		require.ErrorAs(t, err, &exit, "%v", args)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// ok runs a command that must succeed, with --json, and decodes its output.
func ok[T any](t *testing.T, args ...string) (v T) {
	t.Helper()
	code, out, errs := command(t, append(args, "--json")...)
	require.Zero(t, code, "%v: %s", args, errs)
	require.NoError(t, json.Unmarshal([]byte(out), &v), "%v: %s", args, out)
	return v
}

// daemon is a gateway or a node that runs.
type daemon struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	ready ready
	ended chan struct{}
}

// serve starts a gateway or node and waits until it is ready.
func serve(t *testing.T, args ...string) *daemon {
	t.Helper()
	d := &daemon{cmd: exec.Command(program, append(args, "--json")...), ended: make(chan struct{})}
	d.cmd.Stderr = &d.log
	out, err := d.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, d.cmd.Start())
	lines := bufio.NewScanner(out)
	got := lines.Scan()
	first := append([]byte(nil), lines.Bytes()...)
	go func() {
		for lines.Scan() {
		}
		_ = d.cmd.Wait() // the test looks at the state
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
	})
	if !got {
		<-d.ended
		t.Fatalf("%v: not ready: %s", args, d.log.String())
	}
	require.NoError(t, json.Unmarshal(first, &d.ready), "%s", first)
	require.Equal(t, "ready", d.ready.Event)
	return d
}

// stop sends SIGTERM and returns the exit code.
func (d *daemon) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.ended:
	case <-time.After(15 * time.Second):
		t.Fatalf("it does not stop: %s", d.log.String())
	}
	return d.cmd.ProcessState.ExitCode()
}

// appDir makes an application package of the built-in example primes.
func appDir(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Link(program, filepath.Join(dir, "wob")))
	spec := fmt.Sprintf(`{"name":"primes","version":%q,"checkpoint":"500ms","run":["./wob","example","primes"]}`, version)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.json"), []byte(spec), 0o644))
	return dir
}

// aProject makes a project with the application primes.
func aProject(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pi")
	p := ok[struct{ ID, Name, Dir, Token string }](t, "project", "new", "pi", "--dir", dir)
	require.Len(t, p.ID, 32)
	token, err := os.ReadFile(filepath.Join(dir, "owner.token"))
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(token)), p.Token)
	app := ok[struct{ Name, Version string }](t, "project", "app", "add", "--project", dir, appDir(t, "1.0.0"))
	require.Equal(t, "primes", app.Name)
	return dir
}

// left lists the processes whose command line, program or directory lies in dir.
func left(t *testing.T, dir string) []string {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	if len(procs) == 0 {
		missing(t, "no /proc here")
	}
	var found []string
	for _, p := range procs {
		line, _ := os.ReadFile(p + "/cmdline") // gone is gone
		exe, _ := os.Readlink(p + "/exe")
		cwd, _ := os.Readlink(p + "/cwd")
		all := string(line) + " " + exe + " " + cwd
		if strings.Contains(all, dir) && p != fmt.Sprintf("/proc/%d", os.Getpid()) {
			found = append(found, filepath.Base(p)+" "+strings.ReplaceAll(all, "\x00", " "))
		}
	}
	return found
}

// missing skips a test whose requirement the machine lacks; in CI that is a failure.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
