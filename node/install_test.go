package node_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/node/project"
)

// waiting is for the network; what takes so long does not happen.
const waiting = 20 * time.Second

// What cannot be installed is logged and tried again, while the other applications go on.
func TestInstallerRefusesAndTriesAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, "p")
	library := filepath.Join(t.TempDir(), "library")
	picky := sums(t, "picky", "1.0.0", "1")
	picky.Install = program(t, "test-needs", library)
	s.add(picky)
	s.add(sums(t, "sums", "1.0.0", "1"))
	tampered := s.add(sums(t, "tampered", "1.0.0", "1"))
	file := project.PackagePath(s.dir, tampered)
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	bad := append([]byte(nil), good...)
	bad[len(bad)/2] ^= 1
	require.NoError(t, os.WriteFile(file, bad, 0o600))
	s.start()
	data := t.TempDir()
	m := s.join(data)
	n, log := open(t, data, 1)

	id := s.inject("sums", `{"lo":0,"hi":100}`)
	require.Equal(t, "4950", s.result(id))
	eventually(t, waiting, "the reasons in the log", func() bool {
		return log.has("does not match its descriptor") && log.has("the library is missing")
	})
	require.Equal(t, []string{"sums@1.0.0"}, only(t, n).Apps)
	require.NoDirExists(t, filepath.Join(data, "projects", m.ID, "apps", "tampered-1.0.0"), "nothing is unpacked unverified")

	require.NoError(t, os.WriteFile(library, nil, 0o600))
	require.NoError(t, os.WriteFile(file, good, 0o600))
	waits := s.inject("tampered", `{"lo":0,"hi":10}`) // the workload rises: nodes look again
	eventually(t, waiting, "all are installed", func() bool { return len(only(t, n).Apps) == 3 })
	require.Equal(t, "45", s.result(waits), "its job was kept")
}

// A running node takes a new version; an older descriptor is refused afterwards, and what
// is installed goes on.
func TestInstallerTakesNewVersions(t *testing.T) {
	t.Parallel()
	s := newStage(t, "p")
	s.alone = true // so that the node founds again at once when both were restarted
	s.add(sums(t, "sums", "1.0.0", "1"))
	older, err := os.ReadFile(filepath.Join(s.dir, project.DescriptorFile))
	require.NoError(t, err)
	s.start()
	data := t.TempDir()
	s.join(data)
	n, _ := open(t, data, 1)
	require.Equal(t, "45", s.result(s.inject("sums", `{"lo":0,"hi":10}`)))

	s.add(sums(t, "sums", "1.1.0", "2"))
	eventually(t, waiting, "the new version", func() bool {
		apps := only(t, n).Apps
		return len(apps) == 1 && apps[0] == "sums@1.1.0"
	})
	require.Equal(t, "90", s.result(s.inject("sums", `{"lo":0,"hi":10}`)), "the new version computes")
	require.NoError(t, n.Close())

	s.stop()
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, project.DescriptorFile), older, 0o600))
	s.start()
	n, log := open(t, data, 1)
	require.Equal(t, "90", s.result(s.inject("sums", `{"lo":0,"hi":10}`)), "the version it knows")
	require.Equal(t, []string{"sums@1.1.0"}, only(t, n).Apps)
	require.True(t, log.has("Project descriptor refused"))
	require.False(t, log.has("Gateway not reached"), "it was")
}
