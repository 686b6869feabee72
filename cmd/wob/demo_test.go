package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/cmd/wob/demo"
)

// demoIn runs wob demo with its temporary files in dir.
func demoIn(dir string, args ...string) (cmd *exec.Cmd, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	cmd = exec.Command(program, append([]string{"demo"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = out, errs
	return cmd, out, errs
}

// clean requires that nothing is left of a demo: no process and no file.
func clean(t *testing.T, dir string) {
	t.Helper()
	require.Empty(t, left(t, dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestDemo(t *testing.T) {
	for app, args := range map[string][]string{
		"primes":  {"--limit", "10000000"},
		"nqueens": {"--app", "nqueens", "--limit", "10", "--nodes", "2", "--capacity", "10"},
	} {
		t.Run(app, func(t *testing.T) {
			dir := t.TempDir()
			cmd, out, errs := demoIn(dir, append(args, "--json")...)
			require.NoError(t, cmd.Run(), "%s", errs)
			require.Equal(t, 1, strings.Count(out.String(), "\n"), "exactly one object")
			var r demo.Result
			require.NoError(t, json.Unmarshal(out.Bytes(), &r))
			require.True(t, *r.OK)
			require.Equal(t, app, r.App)
			require.Positive(t, r.WOBs)
			require.Zero(t, r.Killed)
			var fields map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &fields))
			for _, name := range []string{"app", "boundary", "result", "expected", "ok", "seconds", "nodes", "wobs",
				"splits", "killed", "recovered", "redone"} {
				require.Contains(t, fields, name)
			}
			clean(t, dir)
		})
	}
}

func TestDemoForPeople(t *testing.T) {
	dir := t.TempDir()
	cmd, out, errs := demoIn(dir, "--limit", "1000000", "--nodes", "1")
	require.NoError(t, cmd.Run(), "%s", errs)
	require.Contains(t, out.String(), "= 78498   exact: expected 78498")
	require.NotContains(t, out.String(), "\x1b")
	clean(t, dir)
}

func TestDemoKill(t *testing.T) {
	if testing.Short() || os.Getenv("CI") == "" {
		t.Skip("takes a while; CI=true runs it")
	}
	dir := t.TempDir()
	cmd, out, errs := demoIn(dir, "--limit", "30000000000", "--kill", "1", "--json")
	require.NoError(t, cmd.Run(), "%s", errs)
	var r demo.Result
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	require.True(t, *r.OK)
	require.Equal(t, 1, r.Killed)
	require.Positive(t, r.Recovered, "%s", errs)
	require.Less(t, r.Redone, 0.2)
	clean(t, dir)
}

// halfway starts a demo that would last, and waits until it computes.
func halfway(t *testing.T, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd, _, errs := demoIn(dir, "--limit", "10000000000000")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var said strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(said.String(), "is submitted") {
		n, err := out.Read(buf)
		require.NoError(t, err, "%s%s", said.String(), errs)
		said.Write(buf[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(left(t, dir), func(p string) bool { return strings.Contains(p, "/wob example primes") })
	}, 15*time.Second, 20*time.Millisecond, "no application runs: %v", left(t, dir))
	return cmd, errs
}

func TestDemoInterrupted(t *testing.T) {
	dir := t.TempDir()
	cmd, errs := halfway(t, dir)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	require.Contains(t, errs.String(), "interrupted")
	clean(t, dir)
}

// Even a demo that is killed takes its processes with it, and the next one removes its files.
func TestDemoKilled(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := halfway(t, dir)
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	require.Eventually(t, func() bool { return len(left(t, dir)) == 0 }, 10*time.Second, 20*time.Millisecond, "%v", left(t, dir))

	require.NotEmpty(t, entriesOf(t, dir))
	alive, _ := halfway(t, dir)
	require.Len(t, entriesOf(t, dir), 1, "its own")
	next, out, errs := demoIn(dir, "--limit", "1000", "--nodes", "1", "--json")
	require.NoError(t, next.Run(), "%s%s", out, errs)
	require.Len(t, entriesOf(t, dir), 1, "that of the one that lives stays")
	require.NoError(t, alive.Process.Signal(os.Interrupt))
	_ = alive.Wait()
	clean(t, dir)
}

func entriesOf(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	return entries
}

func TestDemoWhoseReaderGoesAway(t *testing.T) {
	dir := t.TempDir()
	cmd, _, _ := demoIn(dir, "--limit", "10000000000000")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	_ = cmd.Wait()
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	clean(t, dir)
}
