package demo

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
)

func TestSweepTakesOnlyWhatNobodyOwns(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	made := func(name string, files ...string) string {
		dir := filepath.Join(tmp, name)
		require.NoError(t, os.Mkdir(dir, 0o700))
		for _, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, f), nil, 0o600))
		}
		return dir
	}
	alive, release, err := ownDir()
	require.NoError(t, err)
	require.DirExists(t, alive)
	dead := made("wob-demo-1", ownerFile, "log")
	require.NoError(t, os.Chmod(dead, 0o500))
	empty := made("wob-demo-2")
	foreign := made("wob-demo-3", "a letter")
	other := made("wob-test-4", ownerFile)
	link := filepath.Join(tmp, "wob-demo-5")
	require.NoError(t, os.Symlink(other, link))

	require.Equal(t, 1, sweep(time.Now()))
	require.NoDirExists(t, dead)
	require.DirExists(t, empty, "it may be new")
	require.Equal(t, 1, sweep(time.Now().Add(time.Hour)))
	require.NoDirExists(t, empty)
	for _, dir := range []string{alive, foreign, other, link} {
		_, err := os.Lstat(dir)
		require.NoError(t, err)
	}
	held := flock.New(filepath.Join(alive, ownerFile))
	ok, err := held.TryLock()
	require.NoError(t, err)
	require.False(t, ok)
	release()
	require.Equal(t, 1, sweep(time.Now()))
	require.NoDirExists(t, alive)
}
