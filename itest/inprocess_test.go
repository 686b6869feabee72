package itest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
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

// inProcess is a gateway with its node and some volunteers' nodes in this process, so
// that the race detector sees all of them. Their applications are real processes.
type inProcess struct {
	t      *testing.T
	dir    string
	server *gateway.Server
	owner  *api.Client
	nodes  []*node.Node
}

func newInProcess(t *testing.T, apps ...string) *inProcess {
	t.Helper()
	p := &inProcess{t: t, dir: t.TempDir()}
	dir := filepath.Join(p.dir, "project")
	_, err := project.New("test", dir)
	require.NoError(t, err)
	for _, app := range apps {
		_, err := project.AddApp(dir, packageDir(t, filepath.Join(p.dir, "apps"), app))
		require.NoError(t, err)
	}
	token, err := project.Token(dir)
	require.NoError(t, err)
	cfg := gateway.DefaultConfig()
	cfg.ProjectDir, cfg.DataDir, cfg.Token, cfg.Listen = dir, filepath.Join(dir, "gateway"), token, "127.0.0.1:0"
	cfg.Logger = p.logger("gateway")
	p.server, err = gateway.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.server.Run(ctx) }()
	embedded, err := p.server.Embed(gateway.NodeConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Agent: "test", Logger: cfg.Logger})
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, n := range p.nodes {
			require.NoError(t, n.Stop(10*time.Second))
		}
		require.NoError(t, embedded.Stop(10*time.Second))
		cancel()
		require.NoError(t, <-served)
		require.NoError(t, p.server.Close())
	})
	p.owner = api.New(p.server.URL(), token)
	return p
}

// logger shows what happens with -v and WOB_LOG=debug.
func (p *inProcess) logger(name string) *slog.Logger {
	if os.Getenv("WOB_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", name)
}

func (p *inProcess) addNode(name string) *node.Node {
	p.t.Helper()
	data := filepath.Join(p.dir, name)
	_, err := node.Enrol(p.t.Context(), data, p.server.URL(), "")
	require.NoError(p.t, err)
	n, err := node.Open(node.Config{
		Data: data, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Slots: 1, Agent: "test",
		Shim: []string{filepath.Join(bin, "wob"), "app-exec"}, Logger: p.logger(name),
	})
	require.NoError(p.t, err)
	p.nodes = append(p.nodes, n)
	return n
}

func (p *inProcess) compute(app, boundary string) api.Result {
	p.t.Helper()
	id := wob.ID(uuid.NewString())
	_, err := p.owner.Inject(p.t.Context(), id, api.Injection{App: app, Boundary: wob.Raw(boundary)})
	require.NoError(p.t, err)
	var r api.Result
	eventually(p.t, time.Minute, "a result", func() bool {
		r, err = p.owner.Result(p.t.Context(), id)
		return err == nil && r.State.Terminal()
	})
	return r
}

// TestInProcess computes two jobs on three nodes.
func TestInProcess(t *testing.T) {
	p := newInProcess(t, "primes", "nqueens")
	for _, name := range []string{"a", "b", "c"} {
		p.addNode(name)
	}
	r := p.compute("primes", `{"limit":1000000000}`)
	require.Equal(t, api.Finished, r.State, "%v", r.Failures)
	require.Equal(t, "50847534", string(r.Result))
	r = p.compute("nqueens", `{"n":13}`)
	require.Equal(t, api.Finished, r.State, "%v", r.Failures)
	require.Equal(t, "73712", string(r.Result))
}
