// Package node is the shell around the two machines: it gives them a libp2p host, a
// store, application processes and a gateway, one set for each project that the node
// takes part in (paper, section 3.4). It decides nothing about topology or work.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
)

// Config configures a node. The zero value of a field is its default.
type Config struct {
	Data     string   // directory of everything the node keeps
	Listen   []string // multiaddrs of the first project's host; others take free ports
	Slots    int      // computing processes; 0 for one per core, negative for none
	Capacity int      // lasting connections per project
	Agent    string   // software and version, for other nodes
	Shim     []string // see package app; empty for this executable
	Logger   *slog.Logger
}

// Errors of a node.
var (
	ErrUnknownProject = errors.New("no such project on this node")
	ErrJoined         = errors.New("the node takes part in this project already")
)

// Node is a volunteer's node: all its projects.
type Node struct {
	cfg     Config
	started time.Time
	failed  chan error

	mu       sync.Mutex // guards the fields below
	running  map[string]*Project
	members  map[string]Membership
	paused   bool
	resumeAt *time.Timer
	closed   bool
}

// Open starts a node with the projects that its data directory knows.
func Open(cfg Config) (*Node, error) {
	switch {
	case cfg.Slots == 0:
		cfg.Slots = runtime.NumCPU()
	case cfg.Slots < 0:
		cfg.Slots = 0
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	known, err := Memberships(cfg.Data)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, started: time.Now(), failed: make(chan error, 1), running: map[string]*Project{}, members: map[string]Membership{}}
	for _, m := range known {
		if err := n.startProject(m); err != nil {
			return nil, errors.Join(fmt.Errorf("project %s (%s): %w", m.Name, m.ID, err), n.Close())
		}
	}
	return n, nil
}

// startProject starts one project; n.mu is held or n is not shared yet.
func (n *Node) startProject(m Membership) error {
	p, err := StartProject(ProjectConfig{
		Dir: filepath.Join(n.cfg.Data, projectsDir, m.ID), ID: m.ID, Gateway: api.New(m.Gateway, ""),
		Listen: n.listen(), Slots: n.cfg.Slots, Capacity: n.cfg.Capacity, Public: true,
		Shim: n.cfg.Shim, Agent: n.cfg.Agent, Logger: n.cfg.Logger,
	})
	if err != nil {
		return err
	}
	n.running[m.ID], n.members[m.ID] = p, m
	if n.paused {
		p.Pause()
	}
	go func() {
		select {
		case err := <-p.Failed():
			select {
			case n.failed <- fmt.Errorf("project %s: %w", m.Name, err):
			default:
			}
		case <-p.stopped:
		}
	}()
	return nil
}

// listen returns the addresses for the next project: a fixed port serves one host only.
func (n *Node) listen() []string {
	if len(n.running) == 0 || len(n.cfg.Listen) == 0 {
		return n.cfg.Listen
	}
	return DefaultListen
}

// Failed delivers a failure that a project cannot survive, such as a disk that refuses
// writes. The caller closes the node then.
func (n *Node) Failed() <-chan error { return n.failed }

// Join enrols in the project behind a gateway's URL and starts it. See Enrol.
func (n *Node) Join(ctx context.Context, url, pin string) (Membership, error) {
	m, err := Enrol(ctx, n.cfg.Data, url, pin)
	if err != nil {
		return m, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return m, errors.New("the node is stopping")
	}
	if _, ok := n.running[m.ID]; ok {
		return m, nil
	}
	return m, n.startProject(m)
}

// Leave leaves a project, named by its ID, a unique prefix of it, or its name: its WOBs
// are handed over within grace, then all it kept here is removed.
func (n *Node) Leave(ctx context.Context, name string, grace time.Duration) error {
	n.mu.Lock()
	m, err := n.find(name)
	p := n.running[m.ID]
	delete(n.running, m.ID)
	delete(n.members, m.ID)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	if err := p.Stop(grace); err != nil {
		n.cfg.Logger.Warn("Project not closed in order", "project", m.ID, "err", err)
	}
	return Forget(ctx, n.cfg.Data, m.ID)
}

func (n *Node) find(name string) (Membership, error) {
	all := make([]Membership, 0, len(n.members))
	for _, m := range n.members {
		all = append(all, m)
	}
	return findMembership(all, name)
}

// findMembership finds a project by ID, unique prefix of it, or name.
func findMembership(all []Membership, name string) (Membership, error) {
	var found []Membership
	for _, m := range all {
		if m.ID == name || m.Name == name || len(name) >= 4 && strings.HasPrefix(m.ID, name) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Membership{}, fmt.Errorf("%w: %.100q; `wob status` lists them", ErrUnknownProject, name)
	}
	return Membership{}, fmt.Errorf("%w: %.100q stands for %d projects; give more of the ID", ErrUnknownProject, name, len(found))
}

// Projects returns the running projects, ordered by ID.
func (n *Node) Projects() []*Project {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*Project, 0, len(n.running))
	for _, p := range n.running {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Project) int { return strings.Compare(a.cfg.ID, b.cfg.ID) })
	return all
}

// Pause suspends all work, for a while or (0) until Resume.
func (n *Node) Pause(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = true
	if n.resumeAt != nil {
		n.resumeAt.Stop()
		n.resumeAt = nil
	}
	if d > 0 {
		n.resumeAt = time.AfterFunc(d, n.Resume)
	}
	for _, p := range n.running {
		p.Pause()
	}
}

// Resume takes work again.
func (n *Node) Resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = false
	if n.resumeAt != nil {
		n.resumeAt.Stop()
		n.resumeAt = nil
	}
	for _, p := range n.running {
		p.Resume()
	}
}

// Stop leaves all projects in good order within grace; Close ends them at once.
func (n *Node) Stop(grace time.Duration) error {
	return n.end(func(p *Project) error { return p.Stop(grace) })
}

// Close ends all projects at once. What was stored is there at the next start.
func (n *Node) Close() error { return n.end((*Project).Close) }

func (n *Node) end(how func(*Project) error) error {
	n.mu.Lock()
	n.closed = true
	all := make([]*Project, 0, len(n.running))
	for _, p := range n.running {
		all = append(all, p)
	}
	clear(n.running)
	if n.resumeAt != nil {
		n.resumeAt.Stop()
	}
	n.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() { errs[i] = how(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
