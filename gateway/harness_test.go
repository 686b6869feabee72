package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("WOB_GATEWAY_DIR"); dir != "" {
		serveForEver(dir)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")) // the client's idle connections
}

var ctx = context.Background()

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stage is a project with its gateway behind a real HTTP server, on a real store.
type stage struct {
	t     *testing.T
	cfg   Config
	clock *clock
	s     *Server
	http  *httptest.Server
	owner *api.Client
	down  bool
}

const testToken = "an owner's token"

func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.ProjectDir, cfg.DataDir, cfg.Token = filepath.Join(dir, "project"), filepath.Join(dir, "data"), testToken
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.MinFree = 1
	_, err := project.New("numbers", cfg.ProjectDir)
	require.NoError(t, err)
	addApp(t, cfg.ProjectDir, "primes", "1.0.0")
	st := &stage{t: t, cfg: cfg, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	st.cfg.Now = st.clock.Now
	st.start()
	t.Cleanup(st.stop)
	return st
}

func addApp(t *testing.T, projectDir, name, version string) {
	t.Helper()
	dir := t.TempDir()
	spec := fmt.Sprintf(`{"name":%q,"version":%q,"run":["sh"]}`, name, version)
	require.NoError(t, os.WriteFile(filepath.Join(dir, project.SpecFile), []byte(spec), 0o600))
	_, err := project.AddApp(projectDir, dir)
	require.NoError(t, err)
}

func (st *stage) start() {
	st.t.Helper()
	s, err := New(st.cfg)
	require.NoError(st.t, err)
	st.s, st.http, st.down = s, httptest.NewServer(s.Handler()), false
	st.owner = api.New(st.http.URL, testToken)
}

func (st *stage) stop() {
	if st.down {
		return
	}
	st.down = true
	st.s.endStreams()
	st.http.Close()
	require.NoError(st.t, st.s.Close())
}

// restart closes the gateway and opens it again on the same store.
func (st *stage) restart() {
	st.t.Helper()
	st.stop()
	st.start()
}

// volunteer is a node as the gateway sees it.
type volunteer struct {
	key crypto.PrivKey
	id  wob.NodeID
}

func newVolunteer(t *testing.T) volunteer {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	return volunteer{key, wob.NodeID(id.String())}
}

// member makes an enrolled node. Its client follows the gateway through restarts.
func (st *stage) member() (*api.Client, wob.NodeID) {
	st.t.Helper()
	v := newVolunteer(st.t)
	c := api.NewMember(st.http.URL, v.key)
	_, err := c.Enrol(ctx)
	require.NoError(st.t, err)
	return c, v.id
}

func id(n int) wob.ID { return wob.ID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

var job = api.Injection{App: "primes", Boundary: `{"from":0,"to":100}`}

func (st *stage) inject(n int) {
	st.t.Helper()
	created, err := st.owner.Inject(ctx, id(n), job)
	require.NoError(st.t, err)
	require.True(st.t, created)
}

func (st *stage) take(c *api.Client) *api.Work {
	st.t.Helper()
	w, err := c.TakeWork(ctx, []string{"primes"})
	require.NoError(st.t, err)
	require.NotNil(st.t, w, "there is work")
	return w
}

func (st *stage) nothing(c *api.Client) {
	st.t.Helper()
	w, err := c.TakeWork(ctx, []string{"primes"})
	require.NoError(st.t, err)
	require.Nil(st.t, w, "there is no work")
}

// refused checks a problem's status and code and returns it.
func refused(t *testing.T, err error, status int, code string) *api.Problem {
	t.Helper()
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, status, p.Status, p.Error())
	require.Equal(t, code, p.Code)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	return p
}

// raw makes a call by hand.
func (st *stage) raw(method, path, token, body string) *http.Response {
	st.t.Helper()
	req, err := http.NewRequest(method, st.http.URL+path, strings.NewReader(body))
	require.NoError(st.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(st.t, err)
	st.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// fakeOverlay is what a node beside the gateway would say.
type fakeOverlay struct {
	mu      sync.Mutex // guards the rest
	entries []protocols.Entry
	level   uint64
	answer  protocols.Answer
}

func (o *fakeOverlay) set(entries ...protocols.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = entries
}

func (o *fakeOverlay) Entries() []protocols.Entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]protocols.Entry(nil), o.entries...)
}

func (o *fakeOverlay) Locate(_ context.Context, id wob.ID) (protocols.Entry, protocols.Answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		if e.ID == id {
			return e, protocols.Found
		}
	}
	return protocols.Entry{}, o.answer
}

func (o *fakeOverlay) Workload(level uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.level = max(o.level, level)
}

func (o *fakeOverlay) workload() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.level
}
