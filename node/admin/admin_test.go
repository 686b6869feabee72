package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway"
	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/admin"
	"github.com/wobcompute/wobcompute/node/project"
)

var quiet = slog.New(slog.DiscardHandler)

// running is a node with its WebAPI, and a client found the way commands find it.
type running struct {
	data   string
	info   admin.Info
	client *admin.Client
	server *admin.Server
}

func run(t *testing.T) *running {
	t.Helper()
	r := &running{data: filepath.Join(t.TempDir(), "data")}
	var err error
	r.server, err = admin.Listen(admin.Config{Data: r.data, Addr: "127.0.0.1:0", Logger: quiet})
	require.NoError(t, err)
	n, err := node.Open(node.Config{Data: r.data, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Slots: -1})
	require.NoError(t, err)
	require.NoError(t, r.server.Serve(n))
	t.Cleanup(func() {
		require.NoError(t, r.server.Close())
		require.NoError(t, n.Close())
	})
	b, err := os.ReadFile(filepath.Join(r.data, admin.InfoFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &r.info))
	r.client, err = admin.Find(r.data)
	require.NoError(t, err)
	return r
}

// call makes a raw call and returns status and body.
func (r *running) call(t *testing.T, method, path, body string, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.info.Addr+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.info.Token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// aGateway serves a project without a node beside it.
func aGateway(t *testing.T) (url, id string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pi")
	d, err := project.New("pi", dir)
	require.NoError(t, err)
	cfg := gateway.DefaultConfig()
	cfg.ProjectDir, cfg.DataDir, cfg.Listen, cfg.Logger = dir, filepath.Join(dir, "gateway"), "127.0.0.1:0", quiet
	cfg.Token, err = project.Token(dir)
	require.NoError(t, err)
	s, err := gateway.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done // a call that was cut off is not what is tested here
		require.NoError(t, s.Close())
	})
	return s.URL(), d.ID
}

func TestInfoFileIsPrivateAndRemoved(t *testing.T) {
	r := run(t)
	info, err := os.Stat(filepath.Join(r.data, admin.InfoFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, os.Getpid(), r.info.PID)
	require.NoError(t, r.server.Close())
	_, err = os.Stat(filepath.Join(r.data, admin.InfoFile))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = admin.Find(r.data)
	require.ErrorIs(t, err, admin.ErrNotRunning)
}

func TestNotRunning(t *testing.T) {
	data := t.TempDir()
	_, err := admin.Find(data)
	require.ErrorIs(t, err, admin.ErrNotRunning)
	require.ErrorContains(t, err, "wob node run")

	// A node that was killed leaves its file; its lock died with it.
	file := filepath.Join(data, admin.InfoFile)
	require.NoError(t, os.WriteFile(file, []byte(`{"addr":"127.0.0.1:1","token":"x","pid":1}`), 0o600))
	_, err = admin.Find(data)
	require.ErrorIs(t, err, admin.ErrNotRunning)

	// One that holds the lock but does not answer is starting or stopping.
	unlock, err := admin.Lock(data)
	require.NoError(t, err)
	c, err := admin.Find(data)
	require.NoError(t, err)
	_, err = c.Status(t.Context())
	require.ErrorIs(t, err, admin.ErrNotRunning)

	require.NoError(t, os.WriteFile(file, []byte("junk"), 0o600))
	_, err = admin.Find(data)
	require.ErrorContains(t, err, "damaged")
	unlock()
}

func TestOneNodePerDirectory(t *testing.T) {
	r := run(t)
	_, err := admin.Listen(admin.Config{Data: r.data, Addr: "127.0.0.1:0", Logger: quiet})
	require.ErrorIs(t, err, admin.ErrRunning)
	require.ErrorContains(t, err, "--data")
}

func TestAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for addr, says := range map[string]string{
		taken.Addr().String(): "--admin",
		"0.0.0.0:0":           "127.0.0.1",
		"example.com:80":      "127.0.0.1",
		"8420":                "127.0.0.1:8420",
	} {
		data := t.TempDir()
		_, err := admin.Listen(admin.Config{Data: data, Addr: addr, Logger: quiet})
		want := admin.ErrBadAddr
		if addr == taken.Addr().String() {
			want = admin.ErrAddr
		}
		require.ErrorIs(t, err, want, addr)
		require.ErrorContains(t, err, says, addr)
		unlock, err := admin.Lock(data) // it was let go again
		require.NoError(t, err)
		unlock()
	}
}

func TestGuard(t *testing.T) {
	r := run(t)
	_, port, err := net.SplitHostPort(r.info.Addr)
	require.NoError(t, err)
	host := func(h string) func(*http.Request) { return func(q *http.Request) { q.Host = h } }
	header := func(k, v string) func(*http.Request) { return func(q *http.Request) { q.Header.Set(k, v) } }
	for _, c := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		want                     int
	}{
		{"as it should be", "GET", "/api/v1/status", "", nil, 200},
		{"by name", "GET", "/api/v1/status", "", host("localhost:" + port), 200},
		{"another name for this machine", "GET", "/api/v1/status", "", host("evil.example:" + port), 403},
		{"no port", "GET", "/api/v1/status", "", host("localhost"), 403},
		{"no token", "GET", "/api/v1/status", "", header("Authorization", ""), 401},
		{"wrong token", "GET", "/api/v1/status", "", header("Authorization", "Bearer x"), 401},
		{"metrics without token", "GET", "/metrics", "", header("Authorization", ""), 401},
		{"health needs none", "GET", "/healthz", "", header("Authorization", ""), 200},
		{"health of another name", "GET", "/healthz", "", host("evil.example:" + port), 403},
		{"across origins", "POST", "/api/v1/pause", "{}", header("Origin", "http://evil.example"), 403},
		{"across sites", "POST", "/api/v1/pause", "{}", header("Sec-Fetch-Site", "cross-site"), 403},
		{"a form", "POST", "/api/v1/pause", "{}", header("Content-Type", "application/x-www-form-urlencoded"), 415},
		{"no content type", "POST", "/api/v1/pause", "", nil, 415},
		{"not JSON", "POST", "/api/v1/pause", "{", nil, 400},
		{"wrong type", "POST", "/api/v1/pause", `{"seconds":"x"}`, nil, 400},
		{"too long", "POST", "/api/v1/pause", `{"x":"` + strings.Repeat("x", 1<<17) + `"}`, nil, 413},
		{"negative", "POST", "/api/v1/pause", `{"seconds":-1}`, nil, 422},
		{"for ever and a day", "POST", "/api/v1/pause", `{"seconds":1e300}`, nil, 422},
		{"no URL", "POST", "/api/v1/projects", `{"url":"x"}`, nil, 422},
		{"no pin", "POST", "/api/v1/projects", `{"url":"http://127.0.0.1:1","pin":"xyz"}`, nil, 422},
		{"gateway down", "POST", "/api/v1/projects", `{"url":"http://127.0.0.1:1"}`, nil, 502},
		{"unknown project", "DELETE", "/api/v1/projects/nothing", "", nil, 404},
		{"bad grace", "DELETE", "/api/v1/projects/nothing?grace=x", "", nil, 422},
		{"unknown call", "GET", "/api/v1/nothing", "", nil, 404},
		{"wrong method", "PUT", "/api/v1/status", "", nil, 404},
	} {
		status, body := r.call(t, c.method, c.path, c.body, c.change)
		require.Equal(t, c.want, status, "%s: %s", c.name, body)
		if status >= 400 && status != 403 || strings.HasPrefix(c.name, "another") {
			p := new(api.Problem)
			require.NoError(t, json.Unmarshal([]byte(body), p), c.name)
			require.NotEmpty(t, p.Code, c.name)
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	r := run(t)
	paused := func() bool {
		s, err := r.client.Status(t.Context())
		require.NoError(t, err)
		return s.Paused
	}
	require.False(t, paused())
	require.NoError(t, r.client.Pause(t.Context(), 0))
	require.True(t, paused())
	require.NoError(t, r.client.Resume(t.Context()))
	require.False(t, paused())
	require.NoError(t, r.client.Pause(t.Context(), 50*time.Millisecond))
	require.Eventually(t, func() bool { return !paused() }, 5*time.Second, 10*time.Millisecond)
}

func TestJoinEventsMetricsLeave(t *testing.T) {
	r := run(t)
	url, id := aGateway(t)
	_, err := r.client.Join(t.Context(), url, strings.Repeat("a", 32))
	require.ErrorContains(t, err, id, "another project is pinned")

	// The stream is open before there is any project: one joined later is in it.
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	first := make(chan node.Event, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- r.client.Events(ctx, func(ev node.Event) error {
			select {
			case first <- ev:
			default:
			}
			return nil
		})
	}()
	m, err := r.client.Join(t.Context(), url, id)
	require.NoError(t, err)
	require.Equal(t, id, m.ID)
	again, err := r.client.Join(t.Context(), url, "")
	require.NoError(t, err, "joining twice is no error")
	require.Equal(t, id, again.ID)

	select {
	case ev := <-first:
		require.Equal(t, id, ev.Project)
		require.NotEmpty(t, ev.Name)
	case <-ctx.Done():
		t.Fatal("no event of the project that was joined")
	}
	s, err := r.client.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Projects, 1)
	require.Equal(t, "pi", s.Projects[0].Name)
	require.NotEmpty(t, s.Addrs)

	status, metrics := r.call(t, "GET", "/metrics", "", nil)
	require.Equal(t, 200, status)
	require.Contains(t, metrics, "wob_projects 1")
	require.Contains(t, metrics, "libp2p_")
	require.Contains(t, metrics, `wob_events_total{event="joined",project="`+id+`"}`)

	require.NoError(t, r.client.Leave(t.Context(), "pi", time.Second))
	s, err = r.client.Status(t.Context())
	require.NoError(t, err)
	require.Empty(t, s.Projects)
	_, text := r.call(t, "GET", "/api/v1/status", "", nil)
	require.Contains(t, text, `"addrs":[]`)
	require.Equal(t, http.StatusNotFound, api.Status(r.client.Leave(t.Context(), "pi", time.Second)))

	require.NoError(t, r.server.Close(), "an open stream does not hold the server")
	require.ErrorIs(t, <-ended, admin.ErrNotRunning)
}
