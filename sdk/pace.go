package sdk

import "time"

// pace measures how fast one worker computes and finds the cost of a piece of pieceTime.
type pace struct {
	grain float64 // cost wanted of the next piece; 0: the smallest there is

	cost  float64       // over about the last rateWindow
	spent time.Duration // likewise

	n       int           // pieces since the grain was looked at
	window  time.Duration // their time
	slowest time.Duration
	heavy   float64 // cost of the largest of them
}

// rate is the cost computed per second by one worker; 0 while unknown.
func (p *pace) rate() float64 {
	if p.spent <= 0 {
		return 0
	}
	return p.cost / p.spent.Seconds()
}

// learn takes the cost and time of a piece in; it reports whether this was the first one.
//
// The grain follows the slowest of a few pieces, not their mean: pieces of one cost may take
// very different times in a tree, where the cost is an estimate.
func (p *pace) learn(cost float64, took time.Duration) (first bool) {
	const (
		pieces = 64               // look at the grain after so many
		after  = pieceTime / 2    // or after that much time
		most   = 16               // growth at once
		least  = 1.0 / 4          // shrinking at once
		floor  = time.Microsecond // what a piece is taken to last at least
	)
	took = max(took, 1)
	first = p.spent == 0
	p.cost += cost
	p.spent += took
	for p.spent > rateWindow {
		p.cost /= 2
		p.spent /= 2
	}
	p.n++
	p.window += took
	p.slowest = max(p.slowest, took)
	p.heavy = max(p.heavy, cost)
	if p.n < pieces && p.window < after {
		return first
	}
	factor := float64(pieceTime) / float64(max(p.slowest, floor))
	factor = min(max(factor, least), most)
	// From the largest piece there was, not from the grain: the end of a range or a branch
	// gives smaller ones than wanted, which say nothing about larger ones.
	base := p.heavy
	if p.grain > base && factor > 1 {
		base = min(p.grain, base*most)
	}
	p.grain = base * factor
	p.n, p.window, p.slowest, p.heavy = 0, 0, 0, 0
	return first
}
