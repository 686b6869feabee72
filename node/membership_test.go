package node_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/project"
)

func TestEnrol(t *testing.T) {
	s := newStage(t, "p")
	s.start()
	data := filepath.Join(t.TempDir(), "not there yet")
	id, url := s.server.Project().ID, s.server.URL()

	_, err := node.Enrol(t.Context(), data, url, strings.Repeat("a", 32))
	require.ErrorIs(t, err, project.ErrSignature, "another project is pinned")
	require.ErrorContains(t, err, id)
	require.NoDirExists(t, data, "nothing is made for a project that was not meant")
	all, err := node.Memberships(data)
	require.NoError(t, err)
	require.Empty(t, all)
	_, err = node.Enrol(t.Context(), data, "http://127.0.0.1:1", "")
	require.ErrorIs(t, err, api.ErrDown)

	m, err := node.Enrol(t.Context(), data, url, strings.ToUpper(id))
	require.NoError(t, err)
	require.Equal(t, id, m.ID)
	again, err := node.Enrol(t.Context(), data, url, "")
	require.NoError(t, err, "again is no error")
	require.Equal(t, m.ID, again.ID)
	require.NoError(t, os.WriteFile(filepath.Join(data, "projects", "notes.txt"), nil, 0o600))
	all, err = node.Memberships(data)
	require.NoError(t, err, "a file of somebody else's is no damage")
	require.Equal(t, []node.Membership{again}, all)
}

func TestDamagedMembership(t *testing.T) {
	s := newStage(t, "p")
	s.start()
	data := t.TempDir()
	m := s.join(data)
	file := filepath.Join(data, "projects", m.ID, "member.json")
	for _, damage := range []string{"", "{", `{"id":"another"}`} {
		require.NoError(t, os.WriteFile(file, []byte(damage), 0o600))
		_, err := node.Open(node.Config{Data: data, Listen: []string{loopback}, Slots: -1})
		require.ErrorContains(t, err, file)
		require.ErrorContains(t, err, "wob join")
	}
	s.join(data) // as it says
	n, _ := open(t, data, -1)
	require.Len(t, n.Projects(), 1)
}

// Leaving runs every uninstall command in its package and removes all that was kept.
func TestForget(t *testing.T) {
	s := newStage(t, "p")
	out := t.TempDir()
	sp := sums(t, "tidy", "1.0.0", "1")
	sp.Uninstall = program(t, "test-writes", filepath.Join(out, "said"))
	s.add(sp)
	sp = sums(t, "untidy", "1.0.0", "1")
	sp.Uninstall = program(t, "test-needs", filepath.Join(out, "nothing"))
	s.add(sp)
	s.start()
	data := filepath.Join(t.TempDir(), "a [strange] name*")
	m := s.join(data)
	n, _ := open(t, data, 1)
	eventually(t, waiting, "both are installed", func() bool { return len(only(t, n).Apps) == 2 })
	require.NoError(t, n.Close())

	require.ErrorIs(t, node.Forget(t.Context(), data, "nonsense"), node.ErrUnknownProject)
	err := node.Forget(context.Background(), data, m.ID[:6])
	require.ErrorContains(t, err, "the library is missing", "a failing uninstall command is told")
	said, err := os.ReadFile(filepath.Join(out, "said"))
	require.NoError(t, err, "the other one was run")
	require.Equal(t, filepath.Join(data, "projects", m.ID, "apps", "tidy-1.0.0"), string(said), "in its directory")
	require.NoDirExists(t, filepath.Join(data, "projects", m.ID), "nothing is left all the same")
	all, err := node.Memberships(data)
	require.NoError(t, err)
	require.Empty(t, all)
}
