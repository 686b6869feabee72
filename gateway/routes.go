package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"net/http"

	"github.com/libp2p/go-libp2p/core/peer"
	httppeeridauth "github.com/libp2p/go-libp2p/p2p/http/auth"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

//go:embed openapi.json
var openAPI []byte

// access says who may make a call. It is data, checked in one place.
type access int

const (
	anyone access = iota
	owner
	node   // any peer that proves its ID
	member // an enrolled one
	either // owner or member
)

// route is one call of the API.
type route struct {
	method, path string // below /api/v1
	access       access
	wob          bool // its body is a WOB
	call         func(r *http.Request, caller wob.NodeID) (reply, error)
	serve        http.HandlerFunc // instead of call, for streams
}

func (rt route) pattern() string { return rt.method + " " + rt.path }

// calls lists the whole API (interfaces, section 2).
func (s *Server) calls() []route {
	return []route{
		{method: "GET", path: "/project", call: s.getProject},
		{method: "GET", path: "/apps/{name}/{version}", serve: s.getApp},
		{method: "POST", path: "/members", access: node, call: s.enrol},
		{method: "GET", path: "/clusters", access: member, call: s.getClusters},
		{method: "PUT", path: "/clusters/{id}", access: member, call: s.putCluster},
		{method: "PUT", path: "/wobs/{id}", access: owner, wob: true, call: s.inject},
		{method: "GET", path: "/wobs", access: owner, call: s.listRoots},
		{method: "GET", path: "/wobs/{id}", access: owner, call: s.getWOB},
		{method: "GET", path: "/wobs/{id}/tree", access: owner, call: s.getTree},
		{method: "GET", path: "/wobs/{id}/result", access: owner, call: s.getResult},
		{method: "DELETE", path: "/wobs/{id}", access: owner, call: s.cancel},
		{method: "POST", path: "/work", access: member, call: s.takeWork},
		{method: "PUT", path: "/roots/{id}/lease", access: member, call: s.renew},
		{method: "DELETE", path: "/roots/{id}/lease", access: member, call: s.release},
		{method: "PUT", path: "/roots/{id}/result", access: member, wob: true, call: s.putResult},
		{method: "PUT", path: "/failsafe/{id}", access: member, wob: true, call: s.putFailsafe},
		{method: "GET", path: "/failsafe", access: either, call: s.listFailsafe},
		{method: "GET", path: "/failsafe/{id}", access: either, call: s.getFailsafe},
		{method: "GET", path: "/events", access: owner, serve: s.streamEvents},
		{method: "GET", path: "/healthz", call: s.health},
		{method: "GET", path: "/metrics", serve: s.metrics.serve},
		{method: "GET", path: "/openapi.json", call: func(*http.Request, wob.NodeID) (reply, error) { return ok(openAPI) }},
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.calls() {
		h := s.guard(rt, s.admit(rt))
		mux.Handle(rt.method+" /api/v1"+rt.path, h)
		if rt.path == "/healthz" || rt.path == "/metrics" { // where monitors look for them
			mux.Handle(rt.pattern(), h)
		}
	}
	return s.fallback(mux)
}

// fallback answers what no route takes with a problem document, too.
func (s *Server) fallback(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "" {
				w.Header().Add("Allow", method)
			}
		}
		if w.Header().Get("Allow") != "" {
			s.refuse(w, problem(http.StatusMethodNotAllowed, api.CodeMethod, "", "%.16q does not go with %.200q", r.Method, r.URL.Path))
			return
		}
		s.refuse(w, problem(http.StatusNotFound, api.CodeNotFound, "GET /api/v1/openapi.json lists the calls", "there is no %.200q", r.URL.Path))
	})
}

// admit lets through who may make the call.
func (s *Server) admit(rt route) http.Handler {
	run := func(w http.ResponseWriter, r *http.Request, caller wob.NodeID) {
		if rt.serve != nil {
			rt.serve(w, r)
			return
		}
		rep, err := rt.call(r, caller)
		s.answer(w, rep, err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, isBearer := bearer(r)
		switch {
		case rt.access == anyone:
			run(w, r, "")
		case rt.access == owner || rt.access == either && isBearer:
			if err := s.checkOwner(r, token, isBearer); err != nil {
				s.refuse(w, err)
				return
			}
			run(w, r, "")
		case isBearer:
			s.refuse(w, problem(http.StatusForbidden, api.CodeForbidden, "", "this call is for nodes, not for the owner's token"))
		default:
			s.asPeer(w, r, func(id wob.NodeID) {
				if rt.access != node && !s.enrolled(id) {
					s.refuse(w, problem(http.StatusForbidden, api.CodeNotEnrolled, "POST /members enrols it", "%s is not a member of this project", id))
					return
				}
				run(w, r, id)
			})
		}
	})
}

// checkOwner compares digests, in constant time: neither the token nor its length leaks.
func (s *Server) checkOwner(r *http.Request, token string, isBearer bool) error {
	if httppeeridauth.HasAuthHeader(r) {
		return problem(http.StatusForbidden, api.CodeForbidden, "", "this call is for the project's owner, not for nodes")
	}
	sum := sha256.Sum256([]byte(token))
	if !isBearer || subtle.ConstantTimeCompare(sum[:], s.token[:]) != 1 {
		return problem(http.StatusUnauthorized, api.CodeUnauthorized,
			"give the content of the project's owner.token with --token, or set WOB_TOKEN", "the owner token is missing or wrong")
	}
	return nil
}

// asPeer runs next for a caller that proves its peer ID (go-libp2p's HTTP peer ID
// authentication). The steps of the handshake carry no body: then the connection is
// used again for the next one.
func (s *Server) asPeer(w http.ResponseWriter, r *http.Request, next func(wob.NodeID)) {
	steps := &headersOnly{w: w}
	passed := false
	s.auth.ServeHTTPWithNextHandler(steps, r, func(id peer.ID, _ http.ResponseWriter, _ *http.Request) {
		passed = true
		next(wob.NodeID(id.String()))
	})
	switch {
	case passed:
	case steps.status == http.StatusUnauthorized && httppeeridauth.HasAuthHeader(r):
		w.WriteHeader(steps.status)
	case steps.status == http.StatusUnauthorized:
		s.refuse(w, problem(http.StatusUnauthorized, api.CodeUnauthorized, "", "this call is for nodes: prove a peer ID"))
	default:
		s.refuse(w, problem(http.StatusBadRequest, api.CodeUnauthorized,
			"the gateway may be known by another name, see its --host", "the proof of the peer ID is not valid here"))
	}
}

// headersOnly takes the authentication's headers and remembers its status.
type headersOnly struct {
	w      http.ResponseWriter
	status int
}

func (h *headersOnly) Header() http.Header         { return h.w.Header() }
func (h *headersOnly) WriteHeader(status int)      { h.status = status }
func (h *headersOnly) Write(b []byte) (int, error) { return len(b), nil }

func (s *Server) enrolled(id wob.NodeID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.state.members[id]
	return is
}

// enrol is POST /members. The project is open: whoever proves a peer ID is a member.
func (s *Server) enrol(r *http.Request, caller wob.NodeID) (reply, error) {
	m, known, f := s.addMember(caller)
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	if !known {
		return reply{http.StatusCreated, m}, nil
	}
	return ok(m)
}

func (s *Server) addMember(id wob.NodeID) (m api.Member, known bool, f *flush) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, known = s.state.members[id]; known {
		return m, true, s.state.last
	}
	m = api.Member{Peer: id, Project: s.project.ID, Enrolled: s.cfg.Now().UTC()}
	s.state.members[id] = m
	s.emit(api.Event{Type: "enrolled", Peer: string(id)})
	return m, false, s.save(put(memberKey+string(id), m))
}

func (s *Server) health(*http.Request, wob.NodeID) (reply, error) {
	if err := s.kv.Err(); err != nil {
		return reply{}, unavailable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := api.Health{Status: "ok", Project: s.project.ID, Seconds: s.cfg.Now().Sub(s.started).Seconds(),
		Roots: len(s.state.roots), Members: len(s.state.members)}
	for _, r := range s.state.roots {
		if r.State == api.Queued {
			h.Queued++
		}
	}
	return ok(h)
}
