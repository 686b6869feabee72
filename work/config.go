package work

import (
	"errors"
	"fmt"
	"time"

	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// Config is what a machine is told about its node and about time. Start from
// DefaultConfig.
type Config struct {
	Self  wob.NodeID
	Addrs []string // of this node, advertised with the WOBs it holds
	Spec  appapi.NodeSpec
	Boot  uint64        // counts the starts of this node
	NewID func() wob.ID // fresh UUIDs; a repeated child id would break S1

	Slots    int // computing processes; 0 for a node that takes no work
	Replicas int // R: supervisors that hold each snapshot

	OfferLease  time.Duration // an offer not taken within it is released
	OfferWait   time.Duration // asker: wait for a holder's answer
	Resend      time.Duration // first pause before a transfer, result or backup is repeated; doubles
	ResendMax   time.Duration
	AskMin      time.Duration // first pause of an idle slot after nobody had work; doubles, with jitter
	AskMax      time.Duration
	ChildCheck  time.Duration // a parent asks for a child it has not heard of for so long
	ConfirmLost time.Duration // pause between the two queries that must both miss before a child counts as lost
	LostAfter   time.Duration // a child that stays unknown so long counts as lost even if nobody can tell
	WaitAgain   time.Duration // after OnWOBChildLost answered wait
	LeaseRenew  time.Duration // between two renewals of a root's lease
	Brief       time.Duration // a leaf computed in less is sent to its parent before it is stored with supervisors
	StoreWait   time.Duration // wait for a supervisor's acknowledgement before another one is chosen
	Failures    int           // application failures of a WOB on one node before it is handed back
	FailedNodes int           // nodes that handed it back before it is failed
	MaxQueue    int           // requests kept waiting per node, a bound against hostile askers
}

// DefaultConfig returns the defaults; Self, Boot, NewID, Spec and Slots are the caller's.
func DefaultConfig() Config {
	return Config{
		Replicas:    3,
		OfferLease:  4 * time.Second, // the protocol allows 5 s, the rest is for the answer to travel
		OfferWait:   3 * time.Second,
		Resend:      time.Second,
		ResendMax:   20 * time.Second,
		AskMin:      100 * time.Millisecond,
		AskMax:      5 * time.Second,
		ChildCheck:  10 * time.Second,
		ConfirmLost: time.Second,
		LostAfter:   15 * time.Minute,
		WaitAgain:   time.Minute,
		LeaseRenew:  4 * time.Second,
		Brief:       time.Second, // a checkpoint interval is longer
		StoreWait:   3 * time.Second,
		Failures:    3,
		FailedNodes: 3,
		MaxQueue:    64,
	}
}

// ErrConfig is wrapped by every error of Validate.
var ErrConfig = errors.New("work: bad configuration")

// Validate refuses a configuration that could not work.
func (c Config) Validate() error {
	switch {
	case c.Self == "":
		return fmt.Errorf("%w: Self is empty", ErrConfig)
	case c.NewID == nil:
		return fmt.Errorf("%w: NewID is nil", ErrConfig)
	case c.Slots < 0 || c.Slots > 4096:
		return fmt.Errorf("%w: %d slots are not in 0..4096", ErrConfig, c.Slots)
	case c.Replicas < 1:
		return fmt.Errorf("%w: at least 1 replica", ErrConfig)
	case c.OfferLease <= 0 || c.Resend <= 0 || c.AskMin <= 0 || c.AskMax < c.AskMin || c.LeaseRenew <= 0:
		return fmt.Errorf("%w: a time-out is not positive", ErrConfig)
	}
	return nil
}
