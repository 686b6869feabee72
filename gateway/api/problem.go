package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/wobcompute/wobcompute/wob"
)

// ProblemType is the media type of an error answer (RFC 9457).
const ProblemType = "application/problem+json"

// Codes of problems, stable for programs.
const (
	CodeBadRequest   = "bad_request"        // 400: not JSON, or a field of the wrong type
	CodeUnauthorized = "unauthorized"       // 401: no or wrong credentials
	CodeForbidden    = "forbidden"          // 403: not allowed to this caller
	CodeNotEnrolled  = "not_enrolled"       // 403: POST /members first
	CodeNotFound     = "not_found"          // 404
	CodeMethod       = "method_not_allowed" // 405
	CodeConflict     = "conflict"           // 409: same id, other content; a WOB that is over
	CodeSuperseded   = "superseded"         // 409: a newer incarnation, snapshot or view is known
	CodeCancelled    = "cancelled"          // 410: the root was cancelled
	CodeTooLarge     = "too_large"          // 413
	CodeInvalid      = "invalid"            // 422: a field has no meaning
	CodeUnknownApp   = "unknown_app"        // 422
	CodeInternal     = "internal"           // 500
	CodeUnavailable  = "unavailable"        // 503: the store failed or the gateway is stopping
	CodeNoRoom       = "no_room"            // 507
)

// Problem is an error answer of the gateway: an RFC 9457 problem document. Hint says
// what to do next. Epoch, Incarnation and Stamp tell what a superseded call lost against.
type Problem struct {
	Type        string           `json:"type"`
	Title       string           `json:"title"`
	Status      int              `json:"status"`
	Detail      string           `json:"detail,omitempty"`
	Code        string           `json:"code"`
	Hint        string           `json:"hint,omitempty"`
	Field       string           `json:"field,omitempty"` // of the request body
	Epoch       *uint64          `json:"epoch,omitempty"`
	Incarnation *wob.Incarnation `json:"incarnation,omitempty"`
	Stamp       *wob.Stamp       `json:"stamp,omitempty"`
}

// Error is the problem in one line: what is wrong, then what to do about it.
func (p *Problem) Error() string {
	s := p.Title
	if p.Detail != "" {
		s = p.Detail
	}
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// NewProblem makes a problem with the title of its HTTP status.
func NewProblem(status int, code, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status,
		Code: code, Detail: detail, Hint: hint}
}

// ErrDown is wrapped by every error of a client whose gateway did not answer, or not
// like a gateway.
var ErrDown = errors.New("gateway not reached")

// DownError tells which gateway did not answer and why. It wraps ErrDown.
type DownError struct {
	URL string
	Err error
}

func (e *DownError) Error() string {
	return fmt.Sprintf("the gateway at %s does not answer (%v): check that `wob gateway run` is running there and that the URL is right",
		e.URL, e.Err)
}

// Unwrap returns ErrDown and the cause.
func (e *DownError) Unwrap() []error { return []error{ErrDown, e.Err} }

// Status returns the HTTP status of err if it is a gateway's answer, otherwise 0.
func Status(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// Code returns the code of err if it is a gateway's answer, otherwise "".
func Code(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}
