package gateway

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Bounds of a cluster's status, against a hostile member.
const (
	maxClusters    = 10_000
	maxSupervisors = 1000
	maxAddrs       = 32
	maxAddr        = 512 // bytes
	maxRoots       = 100 // named in an answer
	forgetAfter    = 24 * time.Hour
	retryShort     = 1.0 // seconds
	retryLong      = 2.0
)

// fresh is how long a status is believed: three periods.
func (s *Server) fresh() time.Duration { return 3 * s.cfg.StatusEvery }

// getClusters is GET /clusters: where the caller should join (paper, section 3.3). It
// never lets two nodes found at once, nor one beside a network that a restarted gateway
// has not heard of yet.
func (s *Server) getClusters(r *http.Request, caller wob.NodeID) (reply, error) {
	public := r.URL.Query().Get("public")
	where, f := s.whereToJoin(caller, public == "1" || public == "true")
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	return ok(where)
}

func (s *Server) whereToJoin(caller wob.NodeID, public bool) (api.Where, *flush) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	f := s.state.last
	list, known := s.candidates(caller, now)
	if len(list) > 0 {
		return api.Where{Answer: api.AnswerList, Clusters: list}, f
	}
	wait := func(seconds float64) (api.Where, *flush) {
		return api.Where{Answer: api.AnswerWait, RetryAfter: seconds}, f
	}
	if known && now.Sub(s.started) < s.fresh() {
		return wait(retryShort) // a living cluster reports by then
	}
	lease := s.state.founding
	held := lease.Lease != "" && now.Before(lease.Expires)
	switch {
	case held && lease.Holder != caller:
		return wait(retryShort)
	case !public:
		return wait(retryLong) // others could not reach it
	case !held:
		lease = founding{Lease: rand.Text(), Holder: caller, Expires: now.Add(s.cfg.FoundLease).UTC()}
		s.state.founding = lease
		f = s.save(put(foundKey, lease))
	}
	return api.Where{Answer: api.AnswerFound, Lease: lease.Lease, Expires: &lease.Expires}, f
}

// candidates lists the clusters that reported lately, best first: the largest with
// room, so that clusters grow before new ones are made; then the full ones, the least
// overfull first. known tells of any cluster but those that only the caller could be.
func (s *Server) candidates(caller wob.NodeID, now time.Time) (list []api.Candidate, known bool) {
	var good []api.ClusterStatus
	for _, c := range s.state.clusters {
		others := slices.ContainsFunc(c.status.View.Supervisors, func(v api.Supervisor) bool { return v.Peer != caller })
		if !others {
			continue // the caller itself, before it was restarted
		}
		known = true
		if !c.heard.IsZero() && now.Sub(c.heard) <= s.fresh() {
			good = append(good, c.status)
		}
	}
	slices.SortFunc(good, func(a, b api.ClusterStatus) int {
		roomA, roomB := a.Capacity-a.Members, b.Capacity-b.Members
		switch {
		case roomA > 0 && roomB > 0 && a.Members != b.Members:
			return b.Members - a.Members
		case (roomA > 0) != (roomB > 0), roomA <= 0 && roomA != roomB:
			return roomB - roomA
		}
		return cmp.Compare(a.View.Cluster, b.View.Cluster)
	})
	for _, c := range good {
		list = append(list, api.Candidate{ID: c.View.Cluster, Supervisors: c.View.Supervisors})
	}
	return list, known
}

// putCluster is PUT /clusters/{id}: a supervisor reports its cluster. It is a
// compare-and-swap on the view's epoch; this is how a cluster that was cut in two
// learns which half may go on.
func (s *Server) putCluster(r *http.Request, caller wob.NodeID) (reply, error) {
	var in api.ClusterStatus
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := checkStatus(&in, r.PathValue("id"), caller); err != nil {
		return reply{}, err
	}
	entries := s.index()
	out, f, changed, err := s.reported(in, entries)
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	if changed {
		s.emit(api.Event{Type: "cluster", Peer: string(caller), Data: details(map[string]any{"id": in.View.Cluster,
			"epoch": in.View.Epoch, "supervisors": len(in.View.Supervisors), "members": in.Members})})
	}
	if out.Roots == nil {
		out.Roots = []wob.ID{}
	}
	return ok(out)
}

func checkStatus(in *api.ClusterStatus, id string, caller wob.NodeID) error {
	view := in.View
	switch {
	case id == "" || len(id) > api.MaxClusterID || view.Cluster != id:
		return invalid("view.cluster", "", "the view's cluster is %.64q, the path says %.64q", view.Cluster, id)
	case len(view.Supervisors) == 0 || len(view.Supervisors) > maxSupervisors:
		return invalid("view.supervisors", "", "%d supervisors are not in 1..%d", len(view.Supervisors), maxSupervisors)
	case in.Members < 0 || in.Capacity < 0 || in.Idle < 0 || in.Work < 0:
		return invalid("members", "", "a count is negative")
	case view.Epoch > wob.MaxCount:
		return invalid("view.epoch", "", "the epoch is above %d", uint64(wob.MaxCount))
	case len(in.Parent) > api.MaxClusterID || len(in.Lease) > api.MaxClusterID:
		return invalid("lease", "", "a name is longer than %d bytes", api.MaxClusterID)
	}
	one := false
	for _, v := range view.Supervisors {
		if v.Peer == "" || len(v.Peer) > api.MaxClusterID || len(v.Addrs) > maxAddrs ||
			slices.ContainsFunc(v.Addrs, func(a string) bool { return len(a) > maxAddr }) {
			return invalid("view.supervisors", "", "a supervisor has no or too long an id, or too many addresses")
		}
		one = one || v.Peer == caller
	}
	if !one {
		return problem(http.StatusForbidden, api.CodeForbidden, "", "%s is no supervisor of the view it reports", caller)
	}
	return nil
}

// reported takes a status and tells what there is to be had.
func (s *Server) reported(in api.ClusterStatus, entries []protocols.Entry) (api.StatusAnswer, *flush, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, changed, err := s.report(in)
	return api.StatusAnswer{Workload: s.state.workload, Roots: s.available(nil, maxRoots, entries)}, f, changed, err
}

// report takes a status; s.mu is held. Only a change of the view is written.
func (s *Server) report(in api.ClusterStatus) (f *flush, changed bool, err error) {
	now := s.cfg.Now()
	have := s.state.clusters[in.View.Cluster]
	if have != nil {
		old := have.status.View
		if in.View.Epoch < old.Epoch || in.View.Epoch == old.Epoch && !samePeers(old, in.View) {
			p := problem(http.StatusConflict, api.CodeSuperseded, "take over the newer view, or leave under a new cluster id",
				"the gateway holds epoch %d of cluster %s with other supervisors than epoch %d", old.Epoch, old.Cluster, in.View.Epoch)
			p.Epoch = &old.Epoch
			return nil, false, p
		}
	}
	lease := s.state.founding
	if have == nil && in.Lease != "" && in.Lease != lease.Lease && s.anyFresh(now) {
		return nil, false, problem(http.StatusConflict, api.CodeConflict, "join one of GET /clusters",
			"the lease for founding ran out, and another cluster was founded")
	}
	if have == nil && len(s.state.clusters) >= maxClusters {
		return nil, false, problem(http.StatusServiceUnavailable, api.CodeUnavailable, "", "the gateway knows %d clusters and takes no more", maxClusters)
	}
	changed = have == nil || have.status.View.Epoch != in.View.Epoch
	founded := in.Lease != "" && in.Lease == lease.Lease
	in.Lease = ""
	s.state.clusters[in.View.Cluster] = &cluster{status: in, heard: now}
	var ops []store.Op
	if changed {
		ops = append(ops, put(clusterKey+in.View.Cluster, in))
	}
	if founded {
		s.state.founding = founding{}
		ops = append(ops, store.Del(foundKey))
	}
	for id, c := range s.state.clusters {
		if !c.heard.IsZero() && now.Sub(c.heard) > forgetAfter {
			delete(s.state.clusters, id)
			ops = append(ops, store.Del(clusterKey+id))
		}
	}
	if len(ops) == 0 {
		return s.state.last, false, nil
	}
	return s.save(ops...), changed, nil
}

func (s *Server) anyFresh(now time.Time) bool {
	for _, c := range s.state.clusters {
		if !c.heard.IsZero() && now.Sub(c.heard) <= s.fresh() {
			return true
		}
	}
	return false
}

func samePeers(a, b api.View) bool {
	return slices.EqualFunc(a.Supervisors, b.Supervisors, func(x, y api.Supervisor) bool { return x.Peer == y.Peer })
}
