package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	nodes "github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// NodeConfig configures the node beside a gateway.
type NodeConfig struct {
	Listen   []string // multiaddrs; fixed ones, so that its address survives a restart
	Capacity int      // lasting connections; 0 for the default
	Agent    string
	Logger   *slog.Logger
}

// Embedded is the node beside a gateway: a supervisor that does not compute, so that a
// project works when no volunteer can be reached from outside. Its identity lies in the
// gateway's data directory and survives a restart.
type Embedded struct {
	project *nodes.Project
	server  *http.Server
	pipe    *pipeListener
}

// Embed starts the node beside the gateway. It calls the gateway through its handler as
// any node does, without a socket. The caller ends it with Stop, before the gateway.
func (s *Server) Embed(cfg NodeConfig) (*Embedded, error) {
	pipe := newPipeListener()
	e := &Embedded{pipe: pipe, server: &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = e.server.Serve(pipe) }() // ends with Close of the server
	client := &api.Client{
		URL:  "http://" + s.ownHost(),
		HTTP: &http.Client{Transport: &http.Transport{DialContext: pipe.dial, MaxIdleConnsPerHost: 4}},
	}
	dir := filepath.Join(s.cfg.DataDir, "node")
	p, err := nodes.StartProject(nodes.ProjectConfig{
		Dir: dir, ID: s.Project().ID, Gateway: client, Listen: cfg.Listen, Slots: 0, Capacity: cfg.Capacity,
		Public: true, Agent: cfg.Agent, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("node beside the gateway: %w", err), e.server.Close())
	}
	e.project = p
	s.SetOverlay(overlayOf{p})
	return e, nil
}

// ownHost is a Host header that the gateway accepts.
func (s *Server) ownHost() string {
	if len(s.cfg.Hosts) > 0 {
		return s.cfg.Hosts[0]
	}
	return "localhost"
}

// Project returns the node's part in the project.
func (e *Embedded) Project() *nodes.Project { return e.project }

// Stop leaves the overlay in good order within grace.
func (e *Embedded) Stop(grace time.Duration) error {
	return errors.Join(e.project.Stop(grace), e.server.Close())
}

// Close ends the node at once.
func (e *Embedded) Close() error { return errors.Join(e.project.Close(), e.server.Close()) }

// overlayOf shows the gateway what its node knows.
type overlayOf struct{ p *nodes.Project }

// indexWait bounds a look into the node's index: its loop answers at once or is gone.
const indexWait = 5 * time.Second

func (o overlayOf) Entries() []protocols.Entry {
	ctx, cancel := context.WithTimeout(context.Background(), indexWait)
	defer cancel()
	entries, err := o.p.Entries(ctx)
	if err != nil {
		return nil
	}
	return entries
}

func (o overlayOf) Locate(ctx context.Context, id wob.ID) (protocols.Entry, protocols.Answer) {
	return o.p.Locate(ctx, id)
}

func (o overlayOf) Workload(level uint64) { o.p.Workload(level) }

// pipeListener is a listener whose connections are pipes within the process.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr names the listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "embedded" }
