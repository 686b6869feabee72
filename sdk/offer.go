package sdk

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// firstPiece is how long a request may wait for the first measured speed.
const firstPiece = 100 * time.Millisecond

// OnWOBRequest implements Splitter: it offers the asker's share of what remains, by the ratio of
// the two speeds, from the part that would be computed last.
func (e *engine[T, R]) OnWOBRequest(r Request, self Speed) (*Offer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.awaitPace()
	if e.offer != nil || len(e.open) == 0 {
		return nil, nil
	}
	rest := e.remaining()
	if rate := e.pace.rate() * float64(max(1, e.threads)); rate > 0 && rest < rate*minSplit.Seconds() {
		return nil, nil
	}
	keep, give := e.kind.cut(e.open, rest*share(r.Node.Speed, self.Speed))
	e.open = keep // without a gift the same work, though a tree may be cut finer now
	if len(give) == 0 {
		return nil, nil
	}
	e.offer = &openOffer[T]{id: rand.Text(), parts: give}
	return &Offer{ID: e.offer.id, Effort: e.sum(give)}, nil
}

// awaitPace waits a moment for the first measured speed of a computation that just began: an
// asker that comes early should not be sent away. The lock is held before and after.
func (e *engine[T, R]) awaitPace() {
	timeout := time.NewTimer(e.patience)
	defer timeout.Stop()
	for e.pace.rate() == 0 && len(e.busy) > 0 {
		changed := e.changed
		e.mu.Unlock()
		select {
		case <-changed:
			e.mu.Lock()
		case <-timeout.C:
			e.mu.Lock()
			return
		}
	}
}

// share is the asker's part of the work, between 0 and 1. Without measured speeds: half.
func share(asker, self float64) float64 {
	if !(asker > 0) || !(self > 0) {
		return 0.5
	}
	return 1 / (1 + self/asker)
}

// OnWOBOfferAck implements Splitter.
func (e *engine[T, R]) OnWOBOfferAck(offer string, _ ID) (NewChild, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.offer == nil || e.offer.id != offer {
		return NewChild{}, ErrUnknownOffer
	}
	b, err := json.Marshal(e.kind.boundary(e.offer.parts))
	if err != nil {
		return NewChild{}, err
	}
	hints, err := json.Marshal(hint{Grain: e.pace.grain})
	if err != nil {
		return NewChild{}, err
	}
	cost := e.sum(e.offer.parts)
	e.offer = nil
	e.signal()
	return NewChild{Boundary: Raw(b), Effort: Effort{Total: cost, Remaining: cost}, Meta: Raw(hints)}, nil
}

// OnWOBOfferRelease implements Splitter.
func (e *engine[T, R]) OnWOBOfferRelease(offer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.offer == nil || e.offer.id != offer {
		return
	}
	// The parts were e.open's a moment ago: they cannot overlap it.
	if open, err := e.kind.join(e.open, e.offer.parts); err == nil {
		e.open = open
	}
	e.offer = nil
	e.signal()
}

// OnWOBChildReturn implements Splitter.
func (e *engine[T, R]) OnWOBChildReturn(child ID, boundary, checkpoint Raw) error {
	if !checkpoint.IsNull() {
		return fmt.Errorf("child %s: a part that was born with a checkpoint is not one of this application's", child)
	}
	parts, err := e.kind.parse(json.RawMessage(orNull(boundary)))
	if err != nil {
		return fmt.Errorf("child %s: boundary: %w", child, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	held := append([]T(nil), parts...)
	for _, t := range e.busy {
		held = append(held, t)
	}
	if e.offer != nil {
		held = append(held, e.offer.parts...)
	}
	if _, err := e.kind.join(e.open, held); err != nil {
		return fmt.Errorf("child %s: %w", child, err)
	}
	if e.open, err = e.kind.join(e.open, parts); err != nil {
		return fmt.Errorf("child %s: %w", child, err)
	}
	e.signal()
	if e.remaining() > e.pace.rate()*minSplit.Seconds() {
		return e.node.NotifyWorkloadAvailable()
	}
	return nil
}

// OnWOBChildFinished implements Splitter.
func (e *engine[T, R]) OnWOBChildFinished(w *WOB) error {
	var r R
	if err := json.Unmarshal([]byte(orNull(w.Result)), &r); err != nil {
		return fmt.Errorf("child %s: result: %w", w.ID, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(r)
	return nil
}
