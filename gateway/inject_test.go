package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

func TestInjectionIsIdempotent(t *testing.T) {
	st := newStage(t)
	level := st.s.state.workload
	st.inject(1)
	require.Greater(t, st.s.state.workload, level, "idle nodes learn of it")
	for _, same := range []wob.Raw{job.Boundary, `{ "from" : 0, "to":100 }`} {
		created, err := st.owner.Inject(ctx, id(1), api.Injection{App: "primes", Boundary: same})
		require.NoError(t, err)
		require.False(t, created)
	}
	for _, body := range []string{
		`{"app":"primes","boundary":{"from":0,"to":100}}`,
		` { "boundary" : {"from":0, "to":100} , "meta":null, "app":"primes" } `,
		`{"effort":{"remaining":0,"total":0},"id":"` + string(id(1)) + `","boundary":{"from":0,"to":100},"checkpoint":null,"app":"primes"}`,
	} {
		require.Equal(t, 200, st.raw("PUT", "/api/v1/wobs/"+string(id(1)), testToken, body).StatusCode, "%s", body)
	}
	for _, other := range []api.Injection{
		{App: "primes", Boundary: `{"from":0,"to":101}`},
		{App: "primes@1.0.0", Boundary: job.Boundary},
		{App: "primes", Boundary: job.Boundary, Meta: "1"},
		{App: "primes", Boundary: job.Boundary, Effort: wob.Effort{Total: 1, Remaining: 1}},
	} {
		_, err := st.owner.Inject(ctx, id(1), other)
		refused(t, err, 409, api.CodeConflict)
	}
	all, err := st.owner.WOBs(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, api.Queued, all[0].State)
	one, err := st.owner.WOB(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, job.Boundary, one.Boundary)
	require.Equal(t, wob.NodeID(api.AtGateway), one.Location.Peer)
}

func TestBadInjections(t *testing.T) {
	st := newStage(t)
	good := string(id(1))
	for name, test := range map[string]struct {
		id, body   string
		status     int
		code, says string
		namesField string
	}{
		"empty":            {id: good, body: "", status: 400, code: api.CodeBadRequest},
		"no JSON":          {id: good, body: "{", status: 400, code: api.CodeBadRequest},
		"list":             {id: good, body: "[]", status: 400, code: api.CodeBadRequest},
		"two objects":      {id: good, body: `{"app":"primes","boundary":1}{}`, status: 400, code: api.CodeBadRequest},
		"misspelt":         {id: good, body: `{"app":"primes","boundry":1}`, status: 400, code: api.CodeBadRequest, says: "boundry"},
		"given twice":      {id: good, body: `{"app":"primes","boundary":1,"boundary":2}`, status: 400, code: api.CodeBadRequest, says: "boundary"},
		"wrong case":       {id: good, body: `{"App":"primes","boundary":1}`, status: 400, code: api.CodeBadRequest},
		"wrong type":       {id: good, body: `{"app":5,"boundary":1}`, status: 400, code: api.CodeBadRequest, says: `a number cannot stand at "app"`, namesField: "app"},
		"no boundary":      {id: good, body: `{"app":"primes"}`, status: 422, code: api.CodeInvalid, namesField: "boundary"},
		"no app":           {id: good, body: `{"boundary":1}`, status: 422, code: api.CodeInvalid, namesField: "app"},
		"unknown app":      {id: good, body: `{"app":"prime","boundary":1}`, status: 422, code: api.CodeUnknownApp, says: "primes@1.0.0", namesField: "app"},
		"unknown version":  {id: good, body: `{"app":"primes@2.0.0","boundary":1}`, status: 422, code: api.CodeUnknownApp, says: "primes@1.0.0"},
		"negative effort":  {id: good, body: `{"app":"primes","boundary":1,"effort":{"total":-1,"remaining":0}}`, status: 422, code: api.CodeInvalid, namesField: "effort"},
		"other id":         {id: good, body: `{"id":"x","app":"primes","boundary":1}`, status: 422, code: api.CodeInvalid, namesField: "id"},
		"id no UUID":       {id: "17", body: `{"app":"primes","boundary":1}`, status: 422, code: api.CodeInvalid, namesField: "id"},
		"id in upper case": {id: "ABCDEF00-0000-4000-8000-000000000000", body: `{"app":"primes","boundary":1}`, status: 422, code: api.CodeInvalid},
		"too large":        {id: good, body: `{"app":"primes","boundary":"` + strings.Repeat("x", api.MaxWOBBody) + `"}`, status: 413, code: api.CodeTooLarge},
		"over 8 MiB":       {id: good, body: `{"app":"primes","boundary":"` + strings.Repeat("x", wob.MaxEncoded) + `"}`, status: 400, code: api.CodeBadRequest, says: "too large"},
		"too deep":         {id: good, body: `{"app":"primes","boundary":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, status: 400, code: api.CodeBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			resp := st.raw("PUT", "/api/v1/wobs/"+test.id, testToken, test.body)
			p := readProblem(t, resp)
			require.Equal(t, test.status, resp.StatusCode, p.Detail)
			require.Equal(t, test.code, p.Code)
			require.Contains(t, p.Detail, test.says)
			if test.namesField != "" {
				require.Contains(t, p.Field, test.namesField)
			}
		})
	}
	all, err := st.owner.WOBs(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
}

func readProblem(t *testing.T, resp *http.Response) *api.Problem {
	t.Helper()
	require.Equal(t, api.ProblemType, resp.Header.Get("Content-Type"))
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	p := new(api.Problem)
	require.NoError(t, json.Unmarshal(b, p), string(b))
	require.Equal(t, resp.StatusCode, p.Status)
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Detail)
	return p
}

func TestNoRoom(t *testing.T) {
	st := newStage(t)
	st.inject(1)
	free := int64(1) << 30
	st.s.cfg.MinFree = 0
	st.s.cfg.DiskFree = func(string) (int64, int64, error) { return free, 100 << 30, nil }
	st.inject(2)
	free--
	_, err := st.owner.Inject(ctx, id(3), job)
	p := refused(t, err, 507, api.CodeNoRoom)
	require.NotEmpty(t, p.Hint)
	created, err := st.owner.Inject(ctx, id(1), job)
	require.NoError(t, err, "what is there needs no room")
	require.False(t, created)
	st.s.cfg.DiskFree = func(string) (int64, int64, error) { return 30 << 20, 500 << 20, nil }
	st.inject(3) // 5% of a small disk are enough
}

func TestCancel(t *testing.T) {
	st := newStage(t)
	node, _ := st.member()
	st.inject(1)
	w := st.take(node)
	require.NoError(t, node.PutFailsafe(ctx, w.WOB))
	require.NoError(t, st.owner.Cancel(ctx, id(1)))
	require.NoError(t, st.owner.Cancel(ctx, id(1)), "again")
	_, err := node.RenewLease(ctx, id(1), api.Renewal{Inc: w.WOB.Incarnation()})
	refused(t, err, 410, api.CodeCancelled)
	refused(t, node.PutFailsafe(ctx, w.WOB), 410, api.CodeCancelled)
	st.nothing(node)
	late := w.WOB.Clone()
	late.State, late.Result = wob.Finished, "25"
	accepted, err := node.PutResult(ctx, late)
	require.NoError(t, err, "a late result is acknowledged")
	require.False(t, accepted, "and dropped")
	r, err := st.owner.Result(ctx, id(1))
	require.NoError(t, err)
	require.Equal(t, api.Cancelled, r.State)
	require.True(t, r.Result.IsNull())
	list, err := st.owner.FailsafeList(ctx)
	require.NoError(t, err)
	require.Empty(t, list)
	refused(t, st.owner.Cancel(ctx, id(9)), 404, api.CodeNotFound)

	st.inject(2)
	done := st.take(node).WOB
	done.State, done.Result = wob.Finished, "25"
	_, err = node.PutResult(ctx, done)
	require.NoError(t, err)
	refused(t, st.owner.Cancel(ctx, id(2)), 409, api.CodeConflict)
}
