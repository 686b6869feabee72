package index

import (
	"time"

	"github.com/wobcompute/wobcompute/core"
	"github.com/wobcompute/wobcompute/wob"
)

// queue holds WOBs in the order in which they were marked; all wait equally long, so
// the first is always the next to go.
type queue struct {
	items []mark
	head  int
}

type mark struct {
	id    wob.ID
	since core.Time
}

// push appends a mark. A WOB marked again and again leaves dead marks behind: when they
// outnumber the live ones they are dropped, so that a queue stays as small as the index.
func (q *queue) push(m mark, live int, wanted func(mark) bool) {
	if len(q.items) > 2*live+64 {
		kept := q.items[:0]
		for _, m := range q.items[q.head:] {
			if wanted(m) {
				kept = append(kept, m)
			}
		}
		q.items, q.head = kept, 0
	}
	q.items = append(q.items, m)
}

func (q *queue) first() (mark, bool) {
	if q.head == len(q.items) {
		return mark{}, false
	}
	return q.items[q.head], true
}

// Expire forgets outdated entries and tombstones that have been such for as long, and
// returns when the next one is due, core.Never if there is none.
func (x *Index) Expire(now core.Time, outdated, gone time.Duration) core.Time {
	return min(x.expire(&x.stale, now, outdated, false), x.expire(&x.gone, now, gone, true))
}

func (x *Index) expire(q *queue, now core.Time, keep time.Duration, gone bool) core.Time {
	for {
		m, ok := q.first()
		if !ok {
			return core.Never
		}
		if due := m.since.Add(keep); due > now {
			return due
		}
		q.head++
		if x.marked(m, gone) {
			x.count(&x.records[m.id].entry, -1)
			delete(x.records, m.id)
		}
	}
}

// marked reports whether m is still what it says: nothing newer came after it.
func (x *Index) marked(m mark, gone bool) bool {
	r := x.records[m.id]
	return r != nil && r.since == m.since && !IsFresh(&r.entry) && r.entry.Gone == gone
}
