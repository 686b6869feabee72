package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// scramble overwrites the files of a store.
func scramble(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.NoError(t, os.WriteFile(f, []byte("this is no database"), 0o600))
	}
}

// What is damaged is named, with what to do, and nothing is overwritten.
func TestDamagedFiles(t *testing.T) {
	project, data := aProject(t), filepath.Join(t.TempDir(), "node")
	g := gatewayOf(t, project)
	ok[any](t, "join", g.ready.URL, "--data", data)
	runNode := []string{"node", "run", "--data", data, "--listen", loopback, "--admin", "127.0.0.1:0", "--grace", "1s"}
	n := serve(t, runNode...)
	require.Zero(t, n.stop(t), n.log.String())
	require.Zero(t, g.stop(t), g.log.String())
	fails := func(says string, args ...string) {
		t.Helper()
		code, _, errs := command(t, args...)
		require.Equal(t, exitFailed, code, errs)
		require.Contains(t, errs, says)
	}
	own := filepath.Join(data, "projects", g.ready.Project)
	runGateway := []string{"gateway", "run", "--project", project, "--listen", "127.0.0.1:0"}

	port := filepath.Join(project, "gateway", "p2p.port")
	good, err := os.ReadFile(port)
	require.NoError(t, err)
	scramble(t, port)
	fails("--p2p", runGateway...)
	require.NoError(t, os.WriteFile(port, good, 0o600))
	again := gatewayOf(t, project)
	require.Equal(t, g.ready.Addrs, again.ready.Addrs)
	require.Zero(t, again.stop(t), again.log.String())

	scramble(t, filepath.Join(project, "gateway", "store", "db", "*"))
	fails("move that directory away", runGateway...)
	scramble(t, filepath.Join(own, "store", "db", "*"))
	fails("move that directory away", runNode...)
	b, err := filepath.Glob(filepath.Join(own, "store", "db", "MANIFEST*"))
	require.NoError(t, err)
	kept, err := os.ReadFile(b[0])
	require.NoError(t, err)
	require.Equal(t, "this is no database", string(kept), "it is kept as it was found")
	scramble(t, filepath.Join(own, "identity.key"))
	fails("remove the file", runNode...)
	scramble(t, filepath.Join(own, "member.json"))
	fails("wob join", runNode...)

	scramble(t, filepath.Join(project, "project.json"))
	code, _, errs := command(t, runGateway...)
	require.Equal(t, exitUsage, code, errs)
	require.Contains(t, errs, "project.json")
}
