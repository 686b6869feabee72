// Package admin is a node's local WebAPI (paper, section 3.4.6), by which the command
// line and the node's page control it: on a loopback address, with a token that only the
// node's owner can read. Server is the node's side, Client the other one.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/wobcompute/wobcompute/node"
)

// InfoFile, in the node's data directory, tells where a running node's WebAPI is.
const InfoFile = "admin.json"

// DefaultAddr is where a node's WebAPI listens without a setting.
const DefaultAddr = "127.0.0.1:8420"

// ErrBadAddr is wrapped when an address is none for the WebAPI, ErrAddr when it cannot be had.
var (
	ErrBadAddr = errors.New("bad address for the node's WebAPI")
	ErrAddr    = errors.New("the node's WebAPI cannot listen")
)

// Config configures a Server.
type Config struct {
	Data   string // data directory of the node
	Addr   string // host:port on loopback; port 0 picks a free one
	Logger *slog.Logger
}

// Info is the content of InfoFile.
type Info struct {
	Addr  string `json:"addr"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

// Server is the WebAPI of one node.
type Server struct {
	cfg    Config
	info   Info
	unlock func()
	ln     net.Listener
	http   *http.Server
	node   *node.Node
	feed   *Feed
	stop   chan struct{} // closed by Close: ends the event streams
	once   sync.Once
}

// Listen takes the data directory for this process and opens the port, both before the
// node itself is opened; Serve follows. The error wraps ErrRunning,
// ErrBadAddr or ErrAddr.
func Listen(cfg Config) (*Server, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; it looks like 127.0.0.1:8420", ErrBadAddr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %s is not on this machine alone; use 127.0.0.1", ErrBadAddr, cfg.Addr)
	}
	unlock, err := Lock(cfg.Data)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		unlock()
		return nil, fmt.Errorf("%w: %w; choose another one with --admin, port 0 picks a free one", ErrAddr, err)
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	return &Server{
		cfg: cfg, unlock: unlock, ln: ln, stop: make(chan struct{}),
		info: Info{Addr: ln.Addr().String(), Token: base64.RawURLEncoding.EncodeToString(secret), PID: os.Getpid()},
	}, nil
}

// Addr is the host:port of the WebAPI.
func (s *Server) Addr() string { return s.info.Addr }

// Feed returns the node's merged event stream; nil before Serve.
func (s *Server) Feed() *Feed { return s.feed }

// Serve answers for the node in the background and tells in InfoFile where.
func (s *Server) Serve(n *node.Node) error {
	s.node, s.feed = n, NewFeed(n)
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Logger.Error("WebAPI ended", "error", err)
		}
	}()
	b, err := json.Marshal(s.info)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(s.cfg.Data, InfoFile), append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("tell where the WebAPI is: %w", err)
	}
	return nil
}

// Close ends all calls and lets the data directory go. It works without Serve, too.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		if s.http == nil {
			err = s.ln.Close()
		} else {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if s.http.Shutdown(ctx) != nil { // a call lasts longer: it is cut off
				err = s.http.Close()
			}
			err = errors.Join(err, os.Remove(filepath.Join(s.cfg.Data, InfoFile)))
		}
		s.unlock()
	})
	return err
}
