package admin

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
)

// maxBody bounds the bytes of a request.
const maxBody = 64 << 10

// writeWait bounds the writing of one answer, or of one event.
const writeWait = 10 * time.Second

// guard lets only the owner's own programs through: a page in the owner's browser can
// reach a loopback port too, by name (rebinding) or across origins, but has no token.
func (s *Server) guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if !s.ours(r.Host) {
			refuse(w, api.NewProblem(http.StatusForbidden, api.CodeForbidden,
				"this is the WebAPI of a node on this machine, not of another host", "call it as "+s.info.Addr))
			return
		}
		if r.URL.Path != "/healthz" && !s.allowed(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="wob node"`)
			refuse(w, api.NewProblem(http.StatusUnauthorized, api.CodeUnauthorized,
				"no token or a wrong one", "send the one in "+InfoFile+" of the node's data directory as Authorization: Bearer"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// ours reports whether a Host header names this server the way only this machine does.
func (s *Server) ours(host string) bool {
	_, port, _ := net.SplitHostPort(s.info.Addr)
	name, p, err := net.SplitHostPort(host)
	if err != nil || p != port {
		return false
	}
	return name == "localhost" || name == "127.0.0.1" || name == "::1"
}

func (s *Server) allowed(r *http.Request) bool {
	want := "Bearer " + s.info.Token
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) == 1
}

// read decodes the JSON body of a call that changes something. A form cannot carry this
// content type, so a browser asks before it sends one across origins.
func read(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return api.NewProblem(http.StatusUnsupportedMediaType, api.CodeBadRequest,
			"the body is not JSON", "send it with Content-Type: application/json")
	}
	b, err := io.ReadAll(r.Body)
	if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
		return api.NewProblem(http.StatusRequestEntityTooLarge, api.CodeTooLarge, "the body is too long", "")
	}
	if err != nil {
		return api.NewProblem(http.StatusBadRequest, api.CodeBadRequest, "the body could not be read", "")
	}
	if err := json.Unmarshal(b, into); err != nil {
		return api.NewProblem(http.StatusBadRequest, api.CodeBadRequest, "the body is not understood: "+err.Error(), "")
	}
	return nil
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		refuse(w, err)
		return
	}
	write(w, "application/json", status, append(b, '\n'))
}

// refuse writes an error as a problem document. The caller is the node's owner, so
// nothing of it is kept back.
func refuse(w http.ResponseWriter, err error) {
	var p *api.Problem
	if !errors.As(err, &p) {
		p = problemOf(err)
	}
	b, _ := json.Marshal(p) // plain values
	write(w, api.ProblemType, p.Status, b)
}

func write(w http.ResponseWriter, kind string, status int, b []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeWait)) // not fatal without
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller is gone if this fails
}
