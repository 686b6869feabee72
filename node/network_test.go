package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway"
	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

const loopback = "/ip4/127.0.0.1/tcp/0"

// log is a logger's output, for one test.
type log struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), words)
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// stage is a project with its gateway, which has a supervisor's node beside it.
type stage struct {
	t        *testing.T
	dir      string // of the project
	listen   string
	alone    bool // without the node beside it
	server   *gateway.Server
	embedded *gateway.Embedded
	end      context.CancelFunc
	served   chan error
	owner    *api.Client
}

func newStage(t *testing.T, name string) *stage {
	t.Helper()
	s := &stage{t: t, dir: filepath.Join(t.TempDir(), "project"), listen: "127.0.0.1:0"}
	_, err := project.New(name, s.dir)
	require.NoError(t, err)
	t.Cleanup(s.stop)
	return s
}

// start starts the gateway, after a stop at the same address again.
func (s *stage) start() {
	s.t.Helper()
	token, err := project.Token(s.dir)
	require.NoError(s.t, err)
	cfg := gateway.DefaultConfig()
	cfg.ProjectDir, cfg.DataDir, cfg.Token, cfg.Listen = s.dir, filepath.Join(s.dir, "gateway"), token, s.listen
	cfg.Logger = slog.New(slog.DiscardHandler)
	s.server, err = gateway.New(cfg)
	require.NoError(s.t, err)
	s.served = make(chan error, 1)
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	go func() { s.served <- s.server.Run(ctx) }()
	s.listen = strings.TrimPrefix(s.server.URL(), "http://")
	s.owner = api.New(s.server.URL(), token)
	if s.alone {
		return
	}
	s.embedded, err = s.server.Embed(gateway.NodeConfig{Listen: []string{loopback}, Agent: "test", Logger: cfg.Logger})
	require.NoError(s.t, err)
}

func (s *stage) stop() {
	if s.server == nil {
		return
	}
	if s.embedded != nil {
		require.NoError(s.t, s.embedded.Stop(time.Second))
	}
	s.end()
	require.NoError(s.t, <-s.served)
	require.NoError(s.t, s.server.Close())
	s.server = nil
}

// spec is an app.json. Its programs are this test's own, see TestMain.
type spec struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Checkpoint string   `json:"checkpoint"`
	Run        []string `json:"run"`
	Install    []string `json:"install,omitempty"`
	Uninstall  []string `json:"uninstall,omitempty"`
}

func program(t *testing.T, args ...string) []string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	return append([]string{exe}, args...)
}

// sums is the application that adds up a range, a thousand numbers a second, times factor.
func sums(t *testing.T, name, version, factor string) spec {
	return spec{Name: name, Version: version, Checkpoint: "200ms", Run: program(t, "test-app", name, version, factor)}
}

func (s *stage) add(sp spec) project.App {
	s.t.Helper()
	dir := s.t.TempDir()
	b, err := json.Marshal(sp)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, project.SpecFile), b, 0o600))
	a, err := project.AddApp(s.dir, dir)
	require.NoError(s.t, err)
	return a
}

func (s *stage) inject(app, boundary string) wob.ID {
	s.t.Helper()
	id := wob.ID(uuid.NewString())
	_, err := s.owner.Inject(s.t.Context(), id, api.Injection{App: app, Boundary: wob.Raw(boundary)})
	require.NoError(s.t, err)
	return id
}

func (s *stage) result(id wob.ID) string {
	s.t.Helper()
	var r api.Result
	eventually(s.t, 30*time.Second, "a result", func() bool {
		var err error
		r, err = s.owner.Result(s.t.Context(), id)
		return err == nil && r.State.Terminal()
	})
	require.Equal(s.t, api.Finished, r.State, "%v", r.Failures)
	return string(r.Result)
}

// join enrols a data directory.
func (s *stage) join(data string) node.Membership {
	s.t.Helper()
	m, err := node.Enrol(s.t.Context(), data, s.server.URL(), s.server.Project().ID)
	require.NoError(s.t, err)
	return m
}

// open starts a node; the test stops it, or else it is closed at the end.
func open(t *testing.T, data string, slots int) (*node.Node, *log) {
	t.Helper()
	l := new(log)
	n, err := node.Open(node.Config{Data: data, Listen: []string{loopback}, Slots: slots, Agent: "test", Logger: l.logger()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n, l
}

func only(t *testing.T, n *node.Node) node.ProjectStatus {
	t.Helper()
	s, err := n.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Projects, 1)
	return s.Projects[0]
}

func eventually(t *testing.T, within time.Duration, what string, cond func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
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
