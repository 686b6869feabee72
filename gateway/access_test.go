package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

func TestWhoMayCall(t *testing.T) {
	st := newStage(t)
	member, idA := st.member()
	stranger := api.NewMember(st.http.URL, newVolunteer(t).key)
	for _, rt := range st.s.calls() {
		path := "/api/v1" + strings.NewReplacer("{id}", string(id(1)), "{name}", "x", "{version}", "1.0.0").Replace(rt.path)
		t.Run(rt.pattern(), func(t *testing.T) {
			if rt.access == anyone {
				require.NotContains(t, []int{401, 403}, st.raw(rt.method, path, "", "").StatusCode)
				return
			}
			require.Equal(t, 401, st.raw(rt.method, path, "", "").StatusCode, "nobody")
			if rt.access == owner || rt.access == either {
				for _, wrong := range []string{"x", testToken + "x", testToken[:5]} {
					resp := st.raw(rt.method, path, wrong, "")
					require.Equal(t, 401, resp.StatusCode)
					require.NotEmpty(t, readProblem(t, resp).Hint)
				}
			} else {
				require.Equal(t, 403, st.raw(rt.method, path, testToken, "").StatusCode, "the owner is no node")
			}
		})
	}
	_, err := stranger.TakeWork(ctx, nil)
	refused(t, err, 403, api.CodeNotEnrolled)
	for range 2 {
		m, err := member.Enrol(ctx)
		require.NoError(t, err)
		require.Equal(t, api.Member{Peer: idA, Project: st.s.Project().ID, Enrolled: st.clock.Now()}, m)
	}
	require.NotEmpty(t, member.Server(), "the gateway proves its own identity, too")
	before := member.Server()
	st.restart()
	member.URL = st.http.URL
	_, err = member.TakeWork(ctx, nil)
	require.NoError(t, err, "enrolment and sessions outlive a restart")
	require.Equal(t, before, member.Server())
}

func TestAProofForAnotherServerIsNotTaken(t *testing.T) {
	st := newStage(t)
	st.stop()
	st.cfg.Hosts = []string{"gateway.example.org"}
	st.start()
	c, _ := st.member() // over 127.0.0.1, which is always known
	_, err := c.TakeWork(ctx, nil)
	require.NoError(t, err)
	req, err := http.NewRequest("POST", st.http.URL+"/api/v1/members", nil)
	require.NoError(t, err)
	req.Host = "evil.example.org"
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + ln.Addr().String()
	require.NoError(t, ln.Close())
	for _, c := range []*api.Client{api.New(url, "x"), api.New("nonsense", "x"), api.NewMember(url, newVolunteer(t).key)} {
		_, err = c.Health(ctx)
		require.ErrorIs(t, err, api.ErrDown)
		require.ErrorContains(t, err, c.URL)
		require.ErrorContains(t, err, "wob gateway run")
		_, err = c.TakeWork(ctx, nil)
		require.Error(t, err)
	}
	st := newStage(t)
	_, err = api.New(st.http.URL, "wrong").WOBs(ctx)
	require.ErrorContains(t, err, "--token")
	require.Equal(t, 401, api.Status(err))
	_, err = api.New(st.http.URL, "x").TakeWork(ctx, nil)
	require.Equal(t, 401, api.Status(err))
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	_, err = st.owner.WOBs(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestOtherPathsAreProblems(t *testing.T) {
	st := newStage(t)
	require.Equal(t, api.CodeNotFound, readProblem(t, st.raw("GET", "/api/v1/nothing", "", "")).Code)
	require.Equal(t, api.CodeNotFound, readProblem(t, st.raw("GET", "/", "", "")).Code)
	resp := st.raw("PATCH", "/api/v1/wobs/"+string(id(1)), testToken, "")
	require.Equal(t, api.CodeMethod, readProblem(t, resp).Code)
	require.Equal(t, []string{"GET", "PUT", "DELETE"}, resp.Header.Values("Allow"))
	node, _ := st.member()
	_, err := node.RenewLease(ctx, "17", api.Renewal{})
	require.Equal(t, 422, api.Status(err))
}

func TestAPanicIsAProblem(t *testing.T) {
	st := newStage(t)
	st.s.mu.Lock()
	st.s.state.members = nil // what no call should meet
	st.s.mu.Unlock()
	c := api.NewMember(st.http.URL, newVolunteer(t).key)
	_, err := c.Enrol(ctx)
	refused(t, err, 500, api.CodeInternal)
	_, err = st.owner.WOBs(ctx)
	require.NoError(t, err, "the others are served on")
}

func TestOpenAPIListsEveryCall(t *testing.T) {
	st := newStage(t)
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(openAPI, &doc))
	var described, served []string
	for path, methods := range doc.Paths {
		for m := range methods {
			described = append(described, strings.ToUpper(m)+" "+path)
		}
	}
	for _, rt := range st.s.calls() {
		served = append(served, rt.pattern())
	}
	slices.Sort(described)
	slices.Sort(served)
	require.Equal(t, served, described)
	require.Equal(t, 200, st.raw("GET", "/api/v1/openapi.json", "", "").StatusCode)
}

func TestProjectAndPackages(t *testing.T) {
	st := newStage(t)
	anybody := api.New(st.http.URL, "")
	raw, err := anybody.Project(ctx)
	require.NoError(t, err)
	d, err := project.VerifyFor(raw, st.s.Project().ID, 0)
	require.NoError(t, err)
	a, err := d.App("primes")
	require.NoError(t, err)
	var b bytes.Buffer
	n, err := anybody.App(ctx, a.Name, a.Version, &b)
	require.NoError(t, err)
	require.Equal(t, a.Size, n)
	require.NoError(t, project.Extract(&b, a, t.TempDir()+"/primes"))
	for _, other := range [][2]string{{"primes", "9.0.0"}, {"../../project", "1.0.0"}, {"nothing", "1.0.0"}} {
		_, err = anybody.App(ctx, other[0], other[1], io.Discard)
		require.Error(t, err)
		require.Equal(t, 404, api.Status(err), err)
	}
}

func TestARunningProjectTakesANewApplication(t *testing.T) {
	st := newStage(t)
	_, err := st.owner.Inject(ctx, id(1), api.Injection{App: "queens", Boundary: "8"})
	refused(t, err, 422, api.CodeUnknownApp)
	addApp(t, st.cfg.ProjectDir, "queens", "1.0.0")
	_, err = st.owner.Inject(ctx, id(1), api.Injection{App: "queens", Boundary: "8"})
	require.NoError(t, err, "at once: `wob project app add` and `wob submit` may be two lines of a script")
}

func TestEvents(t *testing.T) {
	st := newStage(t)
	stop := errors.New("enough")
	seen := make(chan api.Event, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- st.owner.Events(ctx, 1, func(e api.Event) error { // all there are
			seen <- e
			if e.Type == "cancelled" {
				return stop
			}
			return nil
		})
	}()
	node, idA := st.member()
	st.inject(1)
	w := st.take(node).WOB
	_, err := node.RenewLease(ctx, id(1), api.Renewal{Inc: w.Incarnation(), Effort: &wob.Effort{Total: 4, Remaining: 1}})
	require.NoError(t, err)
	require.NoError(t, st.owner.Cancel(ctx, id(1)))
	require.ErrorIs(t, <-ended, stop)
	var kinds []string
	var last uint64
	var second api.Event
	for range 5 {
		e := <-seen
		require.True(t, last == 0 || e.ID == last+1, "no gap")
		last = e.ID
		kinds = append(kinds, e.Type)
		if e.Type == "lent" {
			second = e
			require.Equal(t, string(idA), e.Peer)
		}
	}
	require.Equal(t, []string{"enrolled", "injected", "lent", "renewed", "cancelled"}, kinds)
	err = st.owner.Events(ctx, second.ID, func(e api.Event) error {
		require.Equal(t, second.ID+1, e.ID, "it goes on where the reader was")
		return stop
	})
	require.ErrorIs(t, err, stop)
	go func() { ended <- st.owner.Events(ctx, last, func(api.Event) error { return nil }) }()
	st.s.endStreams()
	require.ErrorIs(t, <-ended, api.ErrDown)
}

func TestTheRingIsBounded(t *testing.T) {
	r := newRing()
	for range 3 * ringSize {
		r.add(time.Unix(1, 0), api.Event{})
	}
	events, _ := r.after(0)
	require.LessOrEqual(t, len(events), ringSize)
	require.Equal(t, r.last(), events[len(events)-1].ID)
}

func TestHealthAndMetrics(t *testing.T) {
	st := newStage(t)
	st.member()
	st.inject(1)
	h, err := api.New(st.http.URL, "").Health(ctx)
	require.NoError(t, err)
	require.Equal(t, "ok", h.Status)
	require.Equal(t, []int{1, 1, 1}, []int{h.Roots, h.Queued, h.Members})
	for _, path := range []string{"/metrics", "/api/v1/metrics"} {
		b, err := io.ReadAll(st.raw("GET", path, "", "").Body)
		require.NoError(t, err)
		require.Contains(t, string(b), `wob_gateway_roots{state="queued"} 1`)
		require.Contains(t, string(b), `wob_gateway_calls_total{route="PUT /wobs/{id}",status="201"} 1`)
	}
	require.Equal(t, 200, st.raw("GET", "/healthz", "", "").StatusCode)
}

func TestStartErrorsSayWhatToDo(t *testing.T) {
	st := newStage(t)
	try := func(change func(*Config)) error {
		cfg := st.cfg
		cfg.DataDir = t.TempDir()
		change(&cfg)
		s, err := New(cfg)
		if err == nil {
			require.NoError(t, s.Close())
		}
		return err
	}
	err := try(func(c *Config) { c.Listen = "0.0.0.0:0" })
	require.ErrorIs(t, err, ErrInsecure)
	require.ErrorContains(t, err, "--insecure")
	require.NoError(t, try(func(c *Config) { c.Listen, c.Insecure = "0.0.0.0:0", true }))
	require.ErrorContains(t, try(func(c *Config) { c.Listen = strings.TrimPrefix(st.http.URL, "http://") }), "--listen")
	require.ErrorIs(t, try(func(c *Config) { c.Token = "" }), ErrConfig)
	require.ErrorContains(t, try(func(c *Config) { c.ProjectDir = t.TempDir() }), "wob project new")
	require.ErrorContains(t, try(func(c *Config) { c.DataDir = st.cfg.DataDir }), "in use")
}

func TestRunServesAndStops(t *testing.T) {
	st := newStage(t)
	cfg := st.cfg
	cfg.DataDir, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	s, err := New(cfg)
	require.NoError(t, err)
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(run) }()
	c := api.New(s.URL(), testToken)
	_, err = c.Health(ctx)
	require.NoError(t, err)
	go func() { _ = c.Events(ctx, 0, func(api.Event) error { return nil }) }() // an open stream does not hold it up
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, s.Close())
	_, err = c.Health(ctx)
	require.ErrorIs(t, err, api.ErrDown)
}
