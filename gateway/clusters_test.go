package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

func status(cluster string, epoch uint64, peers ...wob.NodeID) api.ClusterStatus {
	s := api.ClusterStatus{View: api.View{Cluster: cluster, Epoch: epoch}, Members: len(peers), Capacity: 100}
	for _, p := range peers {
		s.View.Supervisors = append(s.View.Supervisors, api.Supervisor{Peer: p, Addrs: []string{"/ip4/127.0.0.1/tcp/1"}, Capacity: 100})
	}
	return s
}

func where(t *testing.T, c *api.Client, public bool) api.Where {
	t.Helper()
	w, err := c.Clusters(ctx, public)
	require.NoError(t, err)
	return w
}

func TestOneNodeFounds(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, idB := st.member()
	require.Equal(t, api.AnswerWait, where(t, a, false).Answer, "never a node that others cannot reach")
	found := where(t, a, true)
	require.Equal(t, api.AnswerFound, found.Answer)
	require.Equal(t, found, where(t, a, true), "the same lease when the answer was lost")
	w := where(t, b, true)
	require.Equal(t, api.AnswerWait, w.Answer)
	require.Positive(t, w.RetryAfter)

	st.clock.pass(61 * time.Second)
	second := where(t, b, true)
	require.Equal(t, api.AnswerFound, second.Answer, "the founder did not show up")
	require.NotEqual(t, found.Lease, second.Lease)
	inB := status("cb", 1, idB)
	inB.Lease = second.Lease
	_, err := b.PutStatus(ctx, inB)
	require.NoError(t, err)
	late := status("ca", 1, idA)
	late.Lease = found.Lease
	_, err = a.PutStatus(ctx, late)
	refused(t, err, 409, api.CodeConflict)
	list := where(t, a, true)
	require.Equal(t, api.AnswerList, list.Answer)
	require.Equal(t, []api.Candidate{{ID: "cb", Supervisors: inB.View.Supervisors}}, list.Clusters)
}

func TestAViewIsSwappedOnlyForANewerOne(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, idB := st.member()
	st.inject(1)
	answer, err := a.PutStatus(ctx, status("c", 5, idA, idB))
	require.NoError(t, err)
	require.Equal(t, []wob.ID{id(1)}, answer.Roots)
	require.Equal(t, st.s.state.workload, answer.Workload)
	_, err = a.PutStatus(ctx, status("c", 5, idA, idB))
	require.NoError(t, err, "the same again")
	for _, lost := range []api.ClusterStatus{status("c", 4, idB), status("c", 5, idB), status("c", 5, idB, idA)} {
		_, err = b.PutStatus(ctx, lost)
		require.Equal(t, uint64(5), *refused(t, err, 409, api.CodeSuperseded).Epoch)
	}
	_, err = b.PutStatus(ctx, status("c", 6, idB))
	require.NoError(t, err)
	_, err = a.PutStatus(ctx, status("c", 6, idA))
	refused(t, err, 409, api.CodeSuperseded)
	_, err = a.PutStatus(ctx, status("c", 7, idB))
	refused(t, err, 403, api.CodeForbidden)
	st.restart()
	a.URL = st.http.URL
	_, err = a.PutStatus(ctx, status("c", 6, idA))
	refused(t, err, 409, api.CodeSuperseded)
}

func TestBadStatus(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	for name, spoil := range map[string]func(*api.ClusterStatus){
		"no supervisor":  func(s *api.ClusterStatus) { s.View.Supervisors = nil },
		"negative count": func(s *api.ClusterStatus) { s.Members = -1 },
		"long name":      func(s *api.ClusterStatus) { s.View.Cluster = strings.Repeat("c", 200) },
		"huge epoch":     func(s *api.ClusterStatus) { s.View.Epoch = 1 << 60 },
		"long address":   func(s *api.ClusterStatus) { s.View.Supervisors[0].Addrs = []string{strings.Repeat("a", 600)} },
		"many addresses": func(s *api.ClusterStatus) { s.View.Supervisors[0].Addrs = make([]string, 50) },
	} {
		s := status("c", 1, idA)
		spoil(&s)
		_, err := a.PutStatus(ctx, s)
		require.Equal(t, 422, api.Status(err), name)
	}
}

func TestLargestClusterWithRoomFirst(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, _ := st.member()
	for name, members := range map[string]int{"full": 100, "over": 120, "large": 80, "small": 10} {
		s := status(name, 1, idA)
		s.Members = members
		_, err := a.PutStatus(ctx, s)
		require.NoError(t, err)
	}
	var order []string
	for _, c := range where(t, b, true).Clusters {
		order = append(order, c.ID)
	}
	require.Equal(t, []string{"large", "small", "full", "over"}, order)
	st.clock.pass(16 * time.Second)
	require.Equal(t, api.AnswerFound, where(t, b, true).Answer, "none of them reports any more")
}

// A restarted gateway must not found a second network beside a living one.
func TestARestartedGatewayWaitsForReports(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, idB := st.member()
	_, err := a.PutStatus(ctx, status("c", 1, idA))
	require.NoError(t, err)
	st.clock.pass(time.Hour)
	st.restart()
	a.URL, b.URL = st.http.URL, st.http.URL
	require.Equal(t, api.AnswerWait, where(t, b, true).Answer)
	st.clock.pass(14 * time.Second)
	require.Equal(t, api.AnswerWait, where(t, b, true).Answer)
	_, err = a.PutStatus(ctx, status("c", 2, idA, idB))
	require.NoError(t, err)
	require.Equal(t, api.AnswerList, where(t, b, true).Answer)

	st.restart()
	a.URL, b.URL = st.http.URL, st.http.URL
	st.clock.pass(16 * time.Second)
	require.Equal(t, api.AnswerFound, where(t, b, true).Answer, "nobody reported in three periods")
}

func TestALoneSupervisorFoundsAgainAtOnce(t *testing.T) {
	st := newStage(t)
	a, idA := st.member()
	b, _ := st.member()
	_, err := a.PutStatus(ctx, status("c", 1, idA))
	require.NoError(t, err)
	require.Equal(t, api.AnswerFound, where(t, a, true).Answer, "it was restarted: nobody else is in that cluster")
	st.restart()
	a.URL, b.URL = st.http.URL, st.http.URL
	require.Equal(t, api.AnswerFound, where(t, a, true).Answer)
	require.Equal(t, api.AnswerWait, where(t, b, true).Answer)
}
