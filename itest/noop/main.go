// Command noop is an application whose work costs nothing: {"n":1000} is a thousand
// parts, each of which only counts if it was computed as a WOB of its own. It measures
// what splitting, storing, moving and merging cost.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/wobcompute/wobcompute/sdk"
	"github.com/wobcompute/wobcompute/wob"
)

// app gives away one part at a time and computes nothing of its own while parts are left.
type app struct {
	mu     sync.Mutex // guards the fields below
	root   bool
	left   int    // parts not given away
	own    int    // parts computed here
	merged int    // parts computed by children
	offer  string // the open offer: one part
	seq    int
	change chan struct{} // a token when left or merged changed
}

type boundary struct {
	N int `json:"n"`
}

type checkpoint struct {
	Left   int `json:"left"`
	Own    int `json:"own"`
	Merged int `json:"merged"`
}

func (a *app) OnWOBInit(w *sdk.WOB) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b boundary
	if err := json.Unmarshal([]byte(w.Boundary), &b); err != nil {
		return fmt.Errorf("boundary: %w", err)
	}
	a.root, a.left, a.own, a.merged, a.offer = b.N > 1, b.N, 0, 0, ""
	if w.Checkpoint != "" {
		var c checkpoint
		if err := json.Unmarshal([]byte(w.Checkpoint), &c); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		a.left, a.own, a.merged = c.Left, c.Own, c.Merged
	}
	return nil
}

// OnCompute ends at once for a part; the whole job waits until all parts are given away.
func (a *app) OnCompute(n *sdk.Node) (bool, error) {
	for n.CanCompute() {
		a.mu.Lock()
		if !a.root && a.left > 0 {
			a.left, a.own = 0, 1
		}
		left := a.left
		a.mu.Unlock()
		if left == 0 {
			return true, nil
		}
		select {
		case <-a.change:
		case <-time.After(50 * time.Millisecond): // CanCompute may have changed
		}
	}
	return false, nil
}

func (a *app) OnCheckpoint() (sdk.Packed, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := json.Marshal(checkpoint{a.left, a.own, a.merged})
	return sdk.Packed{
		Checkpoint: wob.Raw(c), Result: wob.Raw(strconv.Itoa(a.own + a.merged)),
		Effort: wob.Effort{Total: float64(a.left + a.own), Remaining: float64(a.left)},
	}, err
}

func (a *app) OnWOBRequest(sdk.Request, sdk.Speed) (*sdk.Offer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.root || a.left == 0 || a.offer != "" {
		return nil, nil
	}
	a.seq++
	a.offer = strconv.Itoa(a.seq)
	return &sdk.Offer{ID: a.offer, Effort: 1}, nil
}

func (a *app) OnWOBOfferAck(offer string, _ sdk.ID) (sdk.NewChild, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if offer == "" || offer != a.offer {
		return sdk.NewChild{}, sdk.ErrUnknownOffer
	}
	a.offer, a.left = "", a.left-1
	a.signal()
	return sdk.NewChild{Boundary: `{"n":1}`, Effort: wob.Effort{Total: 1, Remaining: 1}}, nil
}

func (a *app) OnWOBOfferRelease(offer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if offer == a.offer {
		a.offer = ""
	}
}

func (a *app) OnWOBChildReturn(sdk.ID, sdk.Raw, sdk.Raw) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left++
	a.signal()
	return nil
}

func (a *app) OnWOBChildFinished(w *sdk.WOB) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := strconv.Atoi(string(w.Result))
	a.merged += n
	return err
}

// signal wakes OnCompute.
func (a *app) signal() {
	select {
	case a.change <- struct{}{}:
	default:
	}
}

func main() {
	a := &app{change: make(chan struct{}, 1)}
	os.Exit(sdk.Main(a, sdk.Name("noop", "1.0.0"), sdk.Concurrent()))
}
