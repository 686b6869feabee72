package overlay

import (
	"errors"
	"fmt"
	"time"

	"github.com/wobcompute/wobcompute/wob"
)

// Config is what a machine is told about its node and about time. Start from
// DefaultConfig.
type Config struct {
	Self      wob.NodeID
	Addrs     []string // of this node, advertised in entries and views
	Capacity  int      // lasting connections; 100 is a common setting (paper, section 3.1.3)
	Bandwidth int64    // bytes per second, 0 if not measured
	Public    bool     // eligible as supervisor; false behind NAT
	Boot      uint64   // counts the starts of this node; orders its sequences across restarts
	NewID     func() string

	MinSupervisors int // kept as soon as there are so many eligible nodes
	Reserve        int // percent of the capacity kept free for members of a lost supervisor

	Heartbeat   time.Duration // between two beats
	Misses      int           // beats missed in a row before a peer counts as dead
	Reconnect   time.Duration // grace after a broken connection before a peer counts as dead
	StatusEvery time.Duration // between two reports to the gateway
	JoinTimeout time.Duration // wait for one supervisor's answer
	RetryMin    time.Duration // first pause before the whole join is repeated; doubles, with jitter
	RetryMax    time.Duration
	QueryWait   time.Duration // wait for the answer to a location query or a search for work
	ElectEvery  time.Duration // between two looks of the primary at the number of supervisors
	PrepareWait time.Duration // wait for a majority before the gateway is asked
	OutdatedFor time.Duration // how long the entries of a missing node are still answered
	GoneFor     time.Duration // how long a tombstone is kept
	SyncEvery   time.Duration // at most one index repair per supervisor and so long
	MaxEntries  int           // of the index, a bound against a hostile member
}

// DefaultConfig returns the defaults; Self, Boot and NewID are the caller's to fill in.
func DefaultConfig() Config {
	return Config{
		Capacity:       100,
		Public:         true,
		MinSupervisors: 3,  // paper, table 2
		Reserve:        10, // percent; paper, section 3.1.3
		Heartbeat:      3 * time.Second,
		Misses:         4,                       // dead after 12 s of silence: above a yamux time-out, below a user's patience
		Reconnect:      1500 * time.Millisecond, // a killed process resets its connections at once: do not wait for beats then
		StatusEvery:    5 * time.Second,
		JoinTimeout:    5 * time.Second,
		RetryMin:       500 * time.Millisecond,
		RetryMax:       30 * time.Second,
		QueryWait:      3 * time.Second,
		ElectEvery:     500 * time.Millisecond,
		PrepareWait:    2 * time.Second,
		OutdatedFor:    30 * time.Minute, // twice the time after which a WOB counts as lost
		GoneFor:        time.Hour,        // longer than any late update can travel
		SyncEvery:      2 * time.Second,
		MaxEntries:     200_000,
	}
}

// ErrConfig is wrapped by every error of Validate.
var ErrConfig = errors.New("overlay: bad configuration")

// Validate refuses a configuration that could not work.
func (c Config) Validate() error {
	switch {
	case c.Self == "":
		return fmt.Errorf("%w: Self is empty", ErrConfig)
	case c.NewID == nil:
		return fmt.Errorf("%w: NewID is nil", ErrConfig)
	case c.Capacity < 2 || c.Capacity > 1<<20:
		return fmt.Errorf("%w: capacity %d is not in 2..%d", ErrConfig, c.Capacity, 1<<20)
	case c.MinSupervisors < 1:
		return fmt.Errorf("%w: at least 1 supervisor", ErrConfig)
	case c.Reserve < 0 || c.Reserve > 90:
		return fmt.Errorf("%w: reserve %d%% is not in 0..90", ErrConfig, c.Reserve)
	case c.Heartbeat <= 0 || c.Misses < 1 || c.JoinTimeout <= 0 || c.RetryMin <= 0 || c.RetryMax < c.RetryMin:
		return fmt.Errorf("%w: a time-out is not positive", ErrConfig)
	}
	return nil
}
