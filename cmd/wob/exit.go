package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/admin"
)

// Exit codes of every command.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2 // bad flag, bad JSON, unreadable file
	exitNotRunning = 3 // the node or the gateway
	exitDenied     = 4 // 401, 403, membership refused
	exitTimeout    = 5
)

// exitError carries an exit code of a command's own choice.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage makes the error of a command that was given something wrong.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// failed makes an error with an exit code.
func failed(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// exitCode finds the code that says what kind of failure err is.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, admin.ErrNotRunning), api.Code(err) == admin.CodeGatewayDown:
		return exitNotRunning
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, api.ErrDown):
		return exitTimeout
	case errors.Is(err, api.ErrDown):
		return exitNotRunning
	}
	switch api.Status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitDenied
	case http.StatusGatewayTimeout:
		return exitTimeout
	}
	return exitFailed
}
