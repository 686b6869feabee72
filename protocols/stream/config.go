package stream

import (
	"errors"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/wobcompute/wobcompute/protocols"
	"github.com/wobcompute/wobcompute/wob"
)

// Version is the version of the protocols; another one in a Hello ends the connection.
const Version = 1

// Config tells a Mux what it serves. Host, Project, Hello and Handle are required.
type Config struct {
	Host    host.Host
	Project string     // project ID, part of the protocol IDs
	Self    wob.NodeID // the host's peer ID; filled in if empty

	// Hello returns what this node says about itself now. Version, Project, Codecs and Instance
	// are filled in.
	Hello func() protocols.Hello

	// Handle takes what comes in. It is called from many goroutines, never from within Send. It may block: the
	// peer whose message it takes is then held up, and slowed down by its own link. It must return
	// when the node ends, or Close waits for it.
	Handle func(Incoming)

	Logger *slog.Logger // nil for none
	Limits Limits       // zero fields get their default
}

// Limits bound what peers and this node's own haste can cost.
type Limits struct {
	QueueFrames int           // waiting messages per peer and prefix
	QueueBytes  int           // estimated bytes of these
	LargeBytes  int           // bytes per peer in frames that travel on streams of their own
	DialTimeout time.Duration // of opening a stream, connection included
	HelloWait   time.Duration // for the answer to a Hello, and of an early stream for its peer's Hello
	Progress    time.Duration // in which 64 KiB must be written, or read of a frame that has begun
	Idle        time.Duration // after which the sender closes a link; it opens again by itself
	Drain       time.Duration // that Close and Disconnect give to what is queued
}

// DefaultLimits says what suits a supervisor with a hundred members on a home connection.
func DefaultLimits() Limits {
	return Limits{
		QueueFrames: 8192,             // a burst of updates; a peer that lags more must resync anyway
		QueueBytes:  8 << 20,          // times 100 links at worst
		LargeBytes:  64 << 20,         // two of the largest, and some
		DialTimeout: 10 * time.Second, // hole punching included
		HelloWait:   5 * time.Second,
		Progress:    4 * time.Second, // 16 KiB/s
		Idle:        10 * time.Minute,
		Drain:       time.Second,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	setInt := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	setDuration := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	setInt(&l.QueueFrames, d.QueueFrames)
	setInt(&l.QueueBytes, d.QueueBytes)
	setInt(&l.LargeBytes, d.LargeBytes)
	setDuration(&l.DialTimeout, d.DialTimeout)
	setDuration(&l.HelloWait, d.HelloWait)
	setDuration(&l.Progress, d.Progress)
	setDuration(&l.Idle, d.Idle)
	setDuration(&l.Drain, d.Drain)
	return l
}

func (c *Config) complete() error {
	if c.Host == nil || c.Project == "" || c.Hello == nil || c.Handle == nil {
		return errors.New("stream: Config needs Host, Project, Hello and Handle")
	}
	id := wob.NodeID(c.Host.ID().String())
	if c.Self == "" {
		c.Self = id
	}
	if c.Self != id {
		return errors.New("stream: Config.Self is not the host's peer ID")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	return nil
}
