package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

// reply is what a call answers: a status and a value written as JSON, nothing for nil.
type reply struct {
	status int
	value  any // []byte is written as it is
}

func ok(v any) (reply, error) { return reply{http.StatusOK, v}, nil }

var noContent = reply{status: http.StatusNoContent}

// answer writes what a call returned.
func (s *Server) answer(w http.ResponseWriter, r reply, err error) {
	if err != nil {
		s.refuse(w, err)
		return
	}
	if r.value == nil {
		w.WriteHeader(r.status)
		return
	}
	body, isRaw := r.value.([]byte)
	if !isRaw {
		if body, err = json.Marshal(r.value); err != nil {
			s.refuse(w, fmt.Errorf("encode the answer: %w", err))
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	_, _ = w.Write(body) // the caller is gone if this fails
}

// refuse answers an error as a problem document. One that is not a problem already is
// the gateway's own fault, and only its log tells the details.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	var p *api.Problem
	if !errors.As(err, &p) {
		s.cfg.Logger.Error("Call failed", "error", err)
		p = api.NewProblem(http.StatusInternalServerError, api.CodeInternal, "the gateway failed to answer", "its log tells why")
	}
	if p.Status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="wobcompute"`)
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(p.Status)
	b, _ := json.Marshal(p) // plain values
	_, _ = w.Write(b)
}

func problem(status int, code, hint, format string, args ...any) *api.Problem {
	return api.NewProblem(status, code, fmt.Sprintf(format, args...), hint)
}

func notFound(format string, args ...any) error {
	return problem(http.StatusNotFound, api.CodeNotFound, "", format, args...)
}

// invalid says which field of a request has no meaning.
func invalid(field, hint, format string, args ...any) error {
	p := problem(http.StatusUnprocessableEntity, api.CodeInvalid, hint, format, args...)
	p.Field = field
	return p
}

func unavailable(err error) error {
	return problem(http.StatusServiceUnavailable, api.CodeUnavailable, "try again; if it stays, the gateway's log tells why",
		"the gateway cannot store or read: %v", err)
}

// read reads a request's body, which the route has limited in size.
func read(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, problem(http.StatusRequestEntityTooLarge, api.CodeTooLarge, "", "the body is larger than %d bytes", large.Limit)
	case err != nil:
		return nil, problem(http.StatusBadRequest, api.CodeBadRequest, "", "the body could not be read: %v", err)
	}
	return b, nil
}

// decode reads a request's body as JSON into v. Unknown fields are ignored.
func decode(r *http.Request, v any) error {
	b, err := read(r)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return problem(http.StatusBadRequest, api.CodeBadRequest, "", "the body is empty, JSON was expected")
	}
	return badJSON(json.Unmarshal(b, v))
}

// badJSON names the field that does not fit.
func badJSON(err error) error {
	if err == nil {
		return nil
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) { // its text is for who reads the gateway's source
		err = fmt.Errorf("a %s cannot stand at %q", kind.Value, kind.Field)
	}
	p := problem(http.StatusBadRequest, api.CodeBadRequest, "", "the body is not the JSON expected here: %v", err)
	var field *wob.FieldError
	if kind != nil {
		p.Field = kind.Field
	} else if errors.As(err, &field) {
		p.Field = field.Field
	}
	return p
}

// readWOB reads a WOB from a request's body and compares its id with the path's.
func readWOB(r *http.Request) (*wob.WOB, []byte, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, nil, err
	}
	b, err := read(r)
	if err != nil {
		return nil, nil, err
	}
	w, err := wob.Decode(b)
	var field *wob.FieldError
	switch {
	case errors.As(err, &field) && field.Field != "" && !errors.Is(err, wob.ErrType) && !errors.Is(err, wob.ErrSyntax):
		return nil, nil, invalid(field.Field, "", "%v", err)
	case err != nil:
		return nil, nil, badJSON(err)
	case w.ID != id:
		return nil, nil, invalid("id", "", "the WOB is %s, the path says %s", w.ID, id)
	}
	return w, b, nil
}

// pathID reads the WOB's id from the path.
func pathID(r *http.Request) (wob.ID, error) {
	id := wob.ID(r.PathValue("id"))
	if !id.Valid() {
		return "", invalid("id", "use a random UUID, for instance from uuidgen", "the id %.64q is not a UUID in lower case", id)
	}
	return id, nil
}

// guard stands before every call: it limits the body, recovers panics, keeps browsers
// from guessing content types and counts.
func (s *Server) guard(rt route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // the sentinel of net/http, by identity
					panic(v)
				}
				s.cfg.Logger.Error("Call panicked", "route", rt.pattern(), "panic", v, "stack", string(debug.Stack()))
				if c.status == 0 {
					s.refuse(c, errors.New("panic"))
				}
			}
			s.metrics.count(rt, c.status)
		}()
		limit := int64(api.MaxBody)
		if rt.wob {
			limit = api.MaxWOBBody
		}
		r.Body = http.MaxBytesReader(c, r.Body, limit)
		c.Header().Set("X-Content-Type-Options", "nosniff")
		c.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(c, r)
	})
}

// counted remembers the status of an answer.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func bearer(r *http.Request) (string, bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), found && strings.EqualFold(scheme, "Bearer")
}
