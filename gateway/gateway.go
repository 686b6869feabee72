// Package gateway is a project's web application (paper, section 3.3): it tells nodes
// where to join, takes primary WOBs from the project's owner, lends them to nodes as
// their roots' parent, keeps their results, and stores WOBs that would be lost
// otherwise. It may be down while the computation goes on: everything it answered for
// is on disk, and everything else the network tells it again.
package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
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
	"github.com/libp2p/go-libp2p/core/crypto"
	httppeeridauth "github.com/libp2p/go-libp2p/p2p/http/auth"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Overlay is what the gateway asks of the node beside it. Its methods are called from
// many goroutines and must not call back into the gateway.
type Overlay interface {
	// Entries returns the WOB index of the node's cluster.
	Entries() []protocols.Entry
	// Locate finds a WOB in the overlay; the entry is valid when the answer is found.
	Locate(ctx context.Context, id wob.ID) (protocols.Entry, protocols.Answer)
	// Workload tells that the gateway's workload level rose.
	Workload(level uint64)
}

// Config is what a gateway is told. Start from DefaultConfig.
type Config struct {
	ProjectDir string      // holds project.json and the application packages
	DataDir    string      // the gateway's own store
	Token      string      // owner token
	Listen     string      // host:port; port 0 picks a free one; empty: Handler only
	Insecure   bool        // allow a public address without TLS
	TLS        *tls.Config // nil: plain HTTP
	Hosts      []string    // Host headers accepted from nodes; empty: any. Names one where a name is public, so that no other server can pass a node's proof of identity on
	Overlay    Overlay     // the node beside the gateway, nil without; see SetOverlay
	Logger     *slog.Logger

	Lease         time.Duration // of a root; a holder renews it several times within
	MissingLease  time.Duration // of a root whose holder the overlay misses
	FailsafeLease time.Duration // of a failsafe WOB, whose taker need not renew it
	StatusEvery   time.Duration // period of the clusters' reports
	FoundLease    time.Duration // for founding a cluster
	MinFree       int64         // bytes kept free on the disk; 0: the smaller of 1 GiB and 5%
	Now           func() time.Time
	DiskFree      func(dir string) (free, total int64, err error)
}

// DefaultConfig returns the defaults; directories and token are the caller's to fill in.
func DefaultConfig() Config {
	return Config{
		Logger:        slog.Default(),
		Lease:         15 * time.Second, // three missed renewals of 4 s
		MissingLease:  6 * time.Second,  // one missed renewal
		FailsafeLease: 2 * time.Minute,  // by then the overlay knows the WOB again
		StatusEvery:   5 * time.Second,
		FoundLease:    time.Minute,
		Now:           time.Now,
		DiskFree:      diskFree,
	}
}

// Errors of New.
var (
	ErrConfig   = errors.New("gateway: bad configuration")
	ErrInsecure = errors.New("refusing to listen on a public address without TLS")
)

func (c *Config) validate() error {
	switch {
	case c.ProjectDir == "" || c.DataDir == "":
		return fmt.Errorf("%w: a project directory and a data directory are needed", ErrConfig)
	case c.Token == "":
		return fmt.Errorf("%w: the owner token is empty", ErrConfig)
	case c.Lease <= 0 || c.MissingLease <= 0 || c.FailsafeLease <= 0 || c.StatusEvery <= 0 || c.FoundLease <= 0 || c.MinFree < 0:
		return fmt.Errorf("%w: a time-out is not positive", ErrConfig)
	case c.Now == nil || c.DiskFree == nil || c.Logger == nil:
		return fmt.Errorf("%w: start from DefaultConfig", ErrConfig)
	}
	if c.Listen != "" && c.TLS == nil && !c.Insecure && !loopback(c.Listen) {
		return fmt.Errorf("%w: %s; the owner token would travel in clear text. "+
			"Put a TLS proxy in front and listen on 127.0.0.1, or accept the risk with --insecure", ErrInsecure, c.Listen)
	}
	return nil
}

// loopback reports whether a listen address is reachable from this machine alone.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false // net.Listen says what is wrong with it
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Server is a running gateway.
type Server struct {
	cfg     Config
	kv      *store.KV
	handler http.Handler
	auth    *httppeeridauth.ServerPeerIDAuth
	token   [sha256.Size]byte
	events  *ring
	metrics *metrics
	started time.Time
	ln      net.Listener
	stop    chan struct{} // closed by Close: ends streams and background work
	once    sync.Once
	work    sync.WaitGroup

	lending sync.Mutex // one POST /work chooses at a time; taken before mu

	mu      sync.Mutex // guards everything below
	state   state
	project *project.Descriptor
	raw     []byte    // of the descriptor, as signed
	seen    time.Time // modification time of the descriptor
	overlay Overlay
}

// New opens the project and the store and, with Config.Listen, the port. Nothing is
// served before Run. The errors say what to do next.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, token: sha256.Sum256([]byte(cfg.Token)), events: newRing(), started: cfg.Now(),
		stop: make(chan struct{}), overlay: cfg.Overlay}
	if err := s.readProject(); err != nil {
		return nil, err
	}
	if cfg.Listen != "" {
		ln, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w; choose another address with --listen", cfg.Listen, err)
		}
		s.ln = ln
	}
	if err := s.open(); err != nil {
		if s.ln != nil {
			s.ln.Close()
		}
		return nil, err
	}
	s.metrics = newMetrics(s)
	s.handler = s.routes()
	s.work.Go(s.watch)
	return s, nil
}

func (s *Server) open() error {
	key, err := identity(s.cfg.DataDir)
	if err != nil {
		return err
	}
	secret, err := key.Raw()
	if err != nil {
		return fmt.Errorf("gateway key: %w", err)
	}
	hmac := sha256.Sum256(append([]byte("wobcompute gateway sessions 1\n"), secret...))
	s.auth = &httppeeridauth.ServerPeerIDAuth{
		PrivKey: key, HmacKey: hmac[:], // sessions outlive a restart
		TokenTTL: time.Hour,
		NoTLS:    true, // with TLS the library compares the host with its port to the server name without
		ValidHostnameFn: func(host string) bool {
			return len(s.cfg.Hosts) == 0 || s.knownHost(host)
		},
	}
	if s.kv, err = store.OpenKV(filepath.Join(s.cfg.DataDir, "store")); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return errors.Join(err, s.kv.Close())
	}
	return nil
}

func (s *Server) knownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	for _, known := range s.cfg.Hosts {
		if known == host || known == name {
			return true
		}
	}
	return loopback(net.JoinHostPort(name, "0"))
}

// identity is the gateway's own key, by which nodes recognise it over HTTP.
func identity(dir string) (crypto.PrivKey, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the gateway's directory: %w", err)
	}
	name := filepath.Join(dir, "gateway.key")
	b, err := os.ReadFile(name)
	if err == nil {
		key, err := crypto.UnmarshalPrivateKey(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; move it away and start again, a new one is made", name, err)
		}
		return key, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read gateway key: %w", err)
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make gateway key: %w", err)
	}
	if b, err = crypto.MarshalPrivateKey(key); err != nil {
		return nil, fmt.Errorf("make gateway key: %w", err)
	}
	if err := renameio.WriteFile(name, b, 0o600); err != nil {
		return nil, fmt.Errorf("write gateway key: %w", err)
	}
	return key, nil
}

// Handler serves the API, for tests and for a server of the caller's.
func (s *Server) Handler() http.Handler { return s.handler }

// URL is the address people and nodes use, empty without Config.Listen.
func (s *Server) URL() string {
	if s.ln == nil {
		return ""
	}
	host, port, _ := net.SplitHostPort(s.ln.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	scheme := "http"
	if s.cfg.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Project returns the descriptor as last read.
func (s *Server) Project() *project.Descriptor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.project
}

// SetOverlay gives the gateway the node beside it, which is usually started after it.
func (s *Server) SetOverlay(o Overlay) {
	s.mu.Lock()
	s.overlay = o
	level := s.state.workload
	s.mu.Unlock()
	if o != nil {
		o.Workload(level)
	}
}

// Run serves until ctx ends or the store fails, then lets the calls under way end.
func (s *Server) Run(ctx context.Context) error {
	if s.ln == nil {
		return fmt.Errorf("%w: no address to listen on", ErrConfig)
	}
	srv := &http.Server{
		Handler:           s.handler,
		TLSConfig:         s.cfg.TLS,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute, // a WOB of 8 MiB over a slow line
		WriteTimeout:      time.Minute, // streams and packages set their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() {
		if s.cfg.TLS != nil {
			done <- srv.ServeTLS(s.ln, "", "")
			return
		}
		done <- srv.Serve(s.ln)
	}()
	var err error
	select {
	case err = <-done:
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
	case <-s.stop:
	}
	s.endStreams()
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil { // a call that hangs, or a connection never used
		s.cfg.Logger.Warn("Connections cut off at the end", "err", err)
		if err := srv.Close(); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	return s.kv.Err()
}

func (s *Server) endStreams() { s.once.Do(func() { close(s.stop) }) }

// Close ends the background work and closes the store. Call it after Run.
func (s *Server) Close() error {
	s.endStreams()
	s.work.Wait()
	if s.ln != nil {
		s.ln.Close() // again, if Run has served on it
	}
	return s.kv.Close()
}

// watch looks once a second at the descriptor, at leases and at clusters.
func (s *Server) watch() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.pollProject()
			s.expire()
		}
	}
}

// emit publishes an event.
func (s *Server) emit(e api.Event) { s.events.add(s.cfg.Now(), e) }
