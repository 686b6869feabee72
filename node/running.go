package node

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/overlay"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/protocols/stream"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
	"github.com/wobcompute/wobcompute/work"
)

// ProjectConfig is what a node knows of a project before it takes part in it.
type ProjectConfig struct {
	Dir      string      // of the project on this node: identity, store, packages, scratch
	ID       string      // project ID, pinned when the project was joined
	Gateway  *api.Client // its key is filled in
	Listen   []string    // multiaddrs; empty for DefaultListen
	Slots    int         // computing processes; 0 for interconnection only
	Capacity int         // lasting connections; 0 for the default
	Public   bool        // reachable from outside, may become a supervisor
	Shim     []string    // see app.Config
	Agent    string      // software and version, for other nodes
	Logger   *slog.Logger
}

// Project is this node's part in one project: an identity, a libp2p host, the two
// machines with their event loop, the stores and the application processes.
type Project struct {
	cfg     ProjectConfig
	self    wob.NodeID
	logger  *slog.Logger
	events  *Bus
	host    host.Host
	gateway *api.Client
	store   *store.Store
	mux     *stream.Mux
	gossip  *stream.Gossip
	apps    *app.Manager
	box     *mailbox
	epoch   time.Time // the machines' time origin

	ctx     context.Context // ends when the project stops
	cancel  context.CancelFunc
	tasks   sync.WaitGroup // what runs beside the loop
	quit    chan struct{}
	stopped chan struct{} // the loop has ended
	failed  chan error    // holds the first failure that the project cannot survive
	left    chan struct{} // the overlay was left
	down    atomic.Bool   // the gateway was not reached last time
	closing sync.Once

	// The loop's own, see loop.
	over       *overlay.Machine
	work       *work.Machine
	effects    []overlay.Effect
	works      []work.Effect
	pending    []any
	view       protocols.View
	remembered protocols.View
	locates    map[uint64]func(overlay.Located)
	nextLocate uint64
	commands   map[string]app.Command // installed applications by name
	looking    bool                   // the installer is at work
	lookAgain  bool                   // and was asked once more meanwhile
}

// StartProject opens the project's stores and host and joins its overlay in the
// background. The caller ends it with Stop or Close.
func StartProject(cfg ProjectConfig) (*Project, error) {
	if cfg.Capacity == 0 {
		cfg.Capacity = overlay.DefaultConfig().Capacity
	}
	if len(cfg.Listen) == 0 {
		cfg.Listen = DefaultListen
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "logs"), 0o700); err != nil {
		return nil, fmt.Errorf("project directory: %w", err)
	}
	key, err := loadKey(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Gateway.Key = key
	p := &Project{
		cfg: cfg, gateway: cfg.Gateway, box: newMailbox(1024), epoch: time.Now(),
		quit: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan error, 1), left: make(chan struct{}),
		locates: map[uint64]func(overlay.Located){}, nextLocate: 1 << 63, commands: map[string]app.Command{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if p.store, err = store.Open(filepath.Join(cfg.Dir, "store")); err != nil {
		p.cancel()
		return nil, err
	}
	if p.host, err = newHost(key, cfg.Listen, cfg.Capacity, cfg.Agent); err != nil {
		p.cancel()
		return nil, errors.Join(err, p.store.Close())
	}
	p.self = wob.NodeID(p.host.ID().String())
	p.logger = cfg.Logger.With("project", cfg.ID[:min(8, len(cfg.ID))], "peer", short(p.self))
	p.events = newBus(cfg.ID, p.logger)
	if err := p.start(); err != nil {
		p.cancel()
		return nil, errors.Join(err, p.host.Close(), p.store.Close())
	}
	return p, nil
}

// start builds the machines and sets everything in motion.
func (p *Project) start() error {
	boot, err := p.store.NextBoot()
	if err != nil {
		return err
	}
	if err := p.machines(boot); err != nil {
		return err
	}
	p.mux, err = stream.New(stream.Config{
		Host: p.host, Project: p.cfg.ID, Self: p.self, Hello: p.hello, Logger: p.logger,
		Handle: func(in stream.Incoming) { p.box.postNetwork(in, p.ctx.Done()) },
	})
	if err != nil {
		return fmt.Errorf("protocols: %w", err)
	}
	p.gossip, err = stream.NewGossip(p.ctx, stream.GossipConfig{
		Host: p.host, Project: p.cfg.ID, Logger: slog.New(atLeast{p.logger.Handler(), slog.LevelWarn}),
		Handle: func(in stream.Incoming) { p.box.postNetwork(in, p.ctx.Done()) },
	})
	if err != nil {
		p.mux.Close()
		return fmt.Errorf("gossip: %w", err)
	}
	p.apps = app.NewManager(app.Config{
		ScratchRoot: filepath.Join(p.cfg.Dir, "scratch"), Shim: p.cfg.Shim, Logger: p.logger,
	}, p.fromApp)
	go p.loop()
	p.box.post(work.Start{Held: p.held()})
	p.box.post(overlay.Start{Previous: p.previousView()})
	p.box.post(func() { p.lookForApps() })
	p.spawn(p.keepLooking)
	return nil
}

func (p *Project) machines(boot uint64) (err error) {
	oc := overlay.DefaultConfig()
	oc.Self, oc.Addrs, oc.Boot, oc.NewID = p.self, p.addrs(), boot, uuid.NewString
	oc.Capacity, oc.Public = p.cfg.Capacity, p.cfg.Public
	if p.over, err = overlay.New(oc, newRand()); err != nil {
		return err
	}
	wc := work.DefaultConfig()
	wc.Self, wc.Addrs, wc.Boot = p.self, p.addrs(), boot
	wc.NewID = func() wob.ID { return wob.ID(uuid.NewString()) }
	wc.Slots = p.cfg.Slots
	wc.Spec = appapi.NodeSpec{
		Peer: p.self, Cores: runtime.NumCPU(), Memory: totalMemory(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	p.work, err = work.New(wc, newRand())
	return err
}

// newRand seeds a machine's private source; only the simulator repeats seeds.
func newRand() *rand.Rand {
	var seed [16]byte
	crand.Read(seed[:])
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
}

// hello is what this node says of itself in every handshake.
func (p *Project) hello() protocols.Hello {
	return protocols.Hello{
		Version: 1, Agent: p.cfg.Agent, Project: p.cfg.ID,
		Capacity: p.cfg.Capacity, Public: p.cfg.Public, Compute: p.cfg.Slots > 0,
		Addrs: p.addrs(),
	}
}

func (p *Project) addrs() []string { return reachable(p.host) }

func (p *Project) now() core.Time { return core.Time(time.Since(p.epoch)) }

// spawn runs f beside the loop; Close waits for it.
func (p *Project) spawn(f func()) {
	p.tasks.Add(1)
	go func() {
		defer p.tasks.Done()
		f()
	}()
}

// fail records a failure that the project cannot survive; see Failed.
func (p *Project) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// Failed delivers the failure that the project cannot survive, such as a disk that
// refuses writes. The caller closes the project then.
func (p *Project) Failed() <-chan error { return p.failed }

// Peer returns the node's ID in this project.
func (p *Project) Peer() wob.NodeID { return p.self }

// ID returns the project ID.
func (p *Project) ID() string { return p.cfg.ID }

// Addrs returns the multiaddrs the node can be reached at, with its peer ID.
func (p *Project) Addrs() []string {
	addrs := p.addrs()
	for i, a := range addrs {
		addrs[i] = a + "/p2p/" + string(p.self)
	}
	return addrs
}

// Events returns the project's event bus.
func (p *Project) Events() *Bus { return p.events }

// Stop leaves in good order: running WOBs are packed, stored and handed over within
// grace, then the overlay is left and everything is closed.
func (p *Project) Stop(grace time.Duration) error {
	p.box.post(work.Leave{Grace: grace})
	timer := time.NewTimer(grace + 5*time.Second) // the machines keep the grace; this is for their driver
	defer timer.Stop()
	select {
	case <-p.left:
	case <-timer.C:
	case <-p.stopped:
	}
	return p.Close()
}

func (p *Project) leftWork(l work.Left) {
	if l.Kept > 0 {
		p.logger.Warn("Some WOBs stay in the local store", "wobs", l.Kept)
	}
	p.local(overlay.Leave{})
}

func (p *Project) leftOverlay() {
	select {
	case <-p.left:
	default:
		close(p.left)
	}
}

// Close ends everything at once: application processes, links, host and store.
func (p *Project) Close() error {
	var err error
	p.closing.Do(func() {
		close(p.quit)
		<-p.stopped
		p.cancel()
		p.apps.Close()
		p.gossip.Close()
		p.mux.Close()
		p.tasks.Wait()
		err = errors.Join(p.host.Close(), p.store.Close())
	})
	return err
}

// Pause suspends what runs and takes no more work; Resume takes work again.
func (p *Project) Pause()  { p.box.post(work.Pause{}) }
func (p *Project) Resume() { p.box.post(work.Resume{}) }

func short(id wob.NodeID) string { return string(id[max(0, len(id)-6):]) }
