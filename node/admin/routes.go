package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/project"
)

// CodeGatewayDown is the problem of a call that needs a project's gateway: 502.
const CodeGatewayDown = "gateway_down"

// Limits of the calls.
const (
	maxPause    = 10 * 365 * 24 * time.Hour
	maxGrace    = time.Hour
	statusWait  = 10 * time.Second
	joinWait    = time.Minute
	leaveMargin = 30 * time.Second // beyond the grace, for uninstalling
)

// Pause is the body of POST /api/v1/pause. 0 seconds: until resumed.
type Pause struct {
	Seconds float64 `json:"seconds"`
}

// Join is the body of POST /api/v1/projects: a gateway's URL and, if it was given, the
// ID of the project to expect there.
type Join struct {
	URL string `json:"url"`
	Pin string `json:"pin,omitempty"`
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /api/v1/status", s.status)
	mux.HandleFunc("GET /api/v1/events", s.events)
	mux.HandleFunc("POST /api/v1/pause", s.pause)
	mux.HandleFunc("POST /api/v1/resume", s.resume)
	mux.HandleFunc("POST /api/v1/projects", s.join)
	mux.HandleFunc("DELETE /api/v1/projects/{id}", s.leave)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, api.NewProblem(http.StatusNotFound, api.CodeNotFound, "there is no "+r.Method+" "+r.URL.Path+" here", ""))
	})
	return s.guard(mux)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusWait)
	defer cancel()
	status, err := s.node.Status(ctx)
	if err != nil {
		refuse(w, err)
		return
	}
	if status.Addrs == nil { // no project, no host
		status.Addrs = []string{}
	}
	answer(w, http.StatusOK, status)
}

func (s *Server) pause(w http.ResponseWriter, r *http.Request) {
	var p Pause
	if err := read(r, &p); err != nil {
		refuse(w, err)
		return
	}
	if !(p.Seconds >= 0 && p.Seconds <= maxPause.Seconds()) {
		refuse(w, api.NewProblem(http.StatusUnprocessableEntity, api.CodeInvalid, "seconds: out of range", "0 pauses until resumed"))
		return
	}
	s.node.Pause(time.Duration(p.Seconds * float64(time.Second)))
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	if err := read(r, &struct{}{}); err != nil {
		refuse(w, err)
		return
	}
	s.node.Resume()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	var j Join
	err := read(r, &j)
	if err == nil {
		if u, bad := url.Parse(j.URL); bad != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			err = api.NewProblem(http.StatusUnprocessableEntity, api.CodeInvalid, "url: not an http or https URL", "")
		} else if j.Pin != "" && !project.ValidID(strings.ToLower(j.Pin)) {
			err = api.NewProblem(http.StatusUnprocessableEntity, api.CodeInvalid, "pin: not a project ID", "")
		}
	}
	if err != nil {
		refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), joinWait)
	defer cancel()
	m, err := s.node.Join(ctx, j.URL, j.Pin)
	if err != nil {
		refuse(w, err)
		return
	}
	s.feed.Refresh()
	answer(w, http.StatusCreated, m)
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	grace := 20 * time.Second
	if text := r.URL.Query().Get("grace"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > maxGrace {
			refuse(w, api.NewProblem(http.StatusUnprocessableEntity, api.CodeInvalid, "grace: not a duration such as 20s, up to 1h", ""))
			return
		}
		grace = d
	}
	// Once begun it is carried through, whether or not the caller waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), grace+leaveMargin)
	defer cancel()
	if err := s.node.Leave(ctx, r.PathValue("id"), grace); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// problemOf finds status and code for an error of the node.
func problemOf(err error) *api.Problem {
	switch {
	case errors.Is(err, node.ErrUnknownProject):
		return api.NewProblem(http.StatusNotFound, api.CodeNotFound, err.Error(), "")
	case errors.Is(err, api.ErrDown):
		return api.NewProblem(http.StatusBadGateway, CodeGatewayDown, err.Error(), "")
	case errors.Is(err, project.ErrSignature), errors.Is(err, project.ErrDescriptor):
		return api.NewProblem(http.StatusUnprocessableEntity, api.CodeInvalid, err.Error(), "")
	case errors.Is(err, context.DeadlineExceeded):
		return api.NewProblem(http.StatusGatewayTimeout, api.CodeUnavailable, err.Error(), "")
	}
	return api.NewProblem(http.StatusInternalServerError, api.CodeInternal, err.Error(), "")
}
