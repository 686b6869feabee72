//go:build linux

package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

func TestDescendantsAreGoneBeforeDown(t *testing.T) {
	ways := map[string]func(*rig){
		"stop":  func(r *rig) { r.m.StopProc(0, 1) },
		"kill":  func(r *rig) { r.m.Kill(0, 1) },
		"crash": func(r *rig) { r.m.Call(0, 1, 1, appapi.OnCheckpoint, nil) },
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			tell := filepath.Join(t.TempDir(), "pids")
			r.start("tell="+tell, "children", "crash=OnCheckpoint")
			wait[Note](r)
			family := pids(t, tell)
			require.Len(t, family, 4)
			for _, pid := range family {
				require.True(t, alive(pid))
			}
			end(r)
			wait[Down](r)
			for _, pid := range family {
				require.False(t, alive(pid), "process %d is alive after Down", pid)
			}
		})
	}
}

func TestNothingOutlivesAKilledNode(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	require.NoError(t, err)
	node := exec.Command(exe, "test-node", dir)
	require.NoError(t, node.Start())
	defer func() { _ = node.Wait() }()
	defer func() { _ = node.Process.Kill() }()
	family := pids(t, filepath.Join(dir, "pids"))
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "up")); return err == nil }, 20*time.Second, 5*time.Millisecond)
	family = append(family, parentOf(family[0])) // the shim
	for _, pid := range family {
		require.True(t, alive(pid))
	}
	require.NoError(t, node.Process.Kill())
	require.Eventually(t, func() bool {
		for _, pid := range family {
			if alive(pid) {
				return false
			}
		}
		return true
	}, 20*time.Second, 5*time.Millisecond)
}

func TestKilledShimTakesTheApplicationAlong(t *testing.T) {
	r := newRig(t, nil)
	tell := filepath.Join(t.TempDir(), "pids")
	r.start("tell=" + tell)
	wait[Note](r)
	pid := pids(t, tell)[0]
	shim, err := os.FindProcess(parentOf(pid))
	require.NoError(t, err)
	require.NoError(t, shim.Kill())
	require.ErrorContains(t, wait[Down](r).Err, "its guard process ended: signal: killed")
	require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 5*time.Millisecond)
}
