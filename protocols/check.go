package protocols

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/wobcompute/wobcompute/wob"
)

// What can be wrong with a field; Validate wraps one of these in a FieldError.
var (
	ErrMissing      = errors.New("missing")
	ErrTooLong      = errors.New("too long")
	ErrTooMany      = errors.New("too many elements")
	ErrTooFew       = errors.New("too few elements")
	ErrOutOfRange   = errors.New("out of range")
	ErrNotUUID      = errors.New("not a UUID in canonical form")
	ErrBadText      = errors.New("not printable text")
	ErrUnknownValue = errors.New("unknown value")
	ErrDuplicate    = errors.New("listed twice")
	ErrInconsistent = errors.New("contradicts another field")
)

// FieldError says which field of a body breaks which bound.
type FieldError struct {
	Field string // JSON name, dotted for a nested one
	Err   error
}

func (e *FieldError) Error() string { return fmt.Sprintf("field %s: %v", e.Field, e.Err) }

// Unwrap returns the bound that is broken.
func (e *FieldError) Unwrap() error { return e.Err }

// Bounds of fields, all in elements or bytes. They limit what a hostile body costs after it is
// decoded; what it costs to decode is limited by Rules.MaxBytes.
const (
	maxText        = 1024        // free text for people: reasons, agents
	maxName        = wob.MaxName // names, request ids, node ids
	maxAddrs       = 16          // multiaddrs of one node
	maxAddr        = 256         // one multiaddr
	maxCert        = 8192        // a membership certificate
	maxCodecs      = 8           // compressions offered
	maxApps        = 256         // applications one node can run
	maxSupervisors = 1024        // of one view; equation 1 gives 45 at capacity 100
	maxEntries     = 16384       // index entries in one message
	maxPlaces      = 64          // places named in one answer
	maxAvoid       = 256         // holders to avoid
	maxWOBs        = 1024        // WOB ids in one message
	maxCarried     = 4           // WOBs travelling beside one body
)

// checker collects the first broken bound of a body.
type checker struct{ err error }

func (c *checker) that(field string, ok bool, err error) {
	if !ok && c.err == nil {
		c.err = &FieldError{Field: field, Err: err}
	}
}

func (c *checker) count(field string, n, low, high int) {
	c.that(field, n >= low, ErrTooFew)
	c.that(field, n <= high, ErrTooMany)
}

func (c *checker) atLeast(field string, v, low int64) { c.that(field, v >= low, ErrOutOfRange) }

// finite demands a number from 0 up that JSON can carry.
func (c *checker) finite(field string, v float64) {
	c.that(field, v >= 0 && !math.IsInf(v, 1), ErrOutOfRange)
}

// text is for people: bounded, valid UTF-8, of any content.
func (c *checker) text(field, s string, limit int) {
	c.that(field, len(s) <= limit, ErrTooLong)
	c.that(field, len(s) > limit || utf8.ValidString(s), ErrBadText)
}

// token is for machines: neither empty nor longer than limit, of visible ASCII characters.
func (c *checker) token(field, s string, limit int) {
	c.that(field, s != "", ErrMissing)
	c.tokenIfAny(field, s, limit)
}

func (c *checker) tokenIfAny(field, s string, limit int) {
	c.that(field, len(s) <= limit, ErrTooLong)
	c.that(field, len(s) > limit || isVisible(s), ErrBadText)
}

func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (c *checker) names(field string, list []string, limit int) {
	c.count(field, len(list), 0, limit)
	for _, s := range list[:min(len(list), limit)] {
		c.token(field, s, maxName)
	}
}

func (c *checker) addrs(field string, list []string) {
	c.count(field, len(list), 0, maxAddrs)
	for _, s := range list[:min(len(list), maxAddrs)] {
		c.token(field, s, maxAddr)
	}
}

func (c *checker) node(field string, id wob.NodeID, empty bool) {
	c.that(field, empty || id != "", ErrMissing)
	c.tokenIfAny(field, string(id), maxName)
}

func (c *checker) nodes(field string, list []wob.NodeID, limit int) {
	c.count(field, len(list), 0, limit)
	for _, id := range list[:min(len(list), limit)] {
		c.node(field, id, false)
	}
}

// cluster bounds a cluster's id, which becomes part of a topic's name.
func (c *checker) cluster(field string, id ClusterID, empty bool) {
	c.that(field, empty || id != "", ErrMissing)
	c.tokenIfAny(field, string(id), maxName)
}

func (c *checker) wob(field string, id wob.ID, empty bool) {
	c.that(field, empty && id == "" || id.Valid(), ErrNotUUID)
}

func (c *checker) wobs(field string, list []wob.ID, limit int) {
	c.count(field, len(list), 0, limit)
	for _, id := range list[:min(len(list), limit)] {
		c.wob(field, id, false)
	}
}

// incarnation allows an empty holder: of a WOB that nobody holds yet, or of which nothing is known.
func (c *checker) incarnation(field string, inc wob.Incarnation) {
	c.node(field+".holder", inc.Holder, true)
}

func (c *checker) view(field string, v *View) {
	c.cluster(field+".cluster", v.Cluster, false)
	c.supervisors(field+".supervisors", v.Supervisors, 1)
}

func (c *checker) supervisors(field string, list []Supervisor, atLeast int) {
	c.count(field, len(list), atLeast, maxSupervisors)
	if c.err != nil {
		return
	}
	seen := make(map[wob.NodeID]bool, len(list))
	for i := range list {
		s := &list[i]
		c.node(field+".id", s.ID, false)
		c.addrs(field+".addrs", s.Addrs)
		c.atLeast(field+".capacity", int64(s.Capacity), 0)
		c.atLeast(field+".bandwidth", s.Bandwidth, 0)
		c.that(field+".id", !seen[s.ID], ErrDuplicate)
		seen[s.ID] = true
	}
}

// viewIfAny is view, or the zero view of a node that knows none.
func (c *checker) viewIfAny(field string, v *View) {
	if v.Cluster != "" || v.Epoch != 0 || len(v.Supervisors) != 0 {
		c.view(field, v)
	}
}

func (c *checker) entry(field string, e *Entry) {
	c.wob(field+".id", e.ID, false)
	c.wob(field+".parent", e.Parent, true)
	c.text(field+".app", e.App, maxName)
	c.incarnation(field+".inc", e.Inc)
	c.that(field+".state", e.State.Valid(), ErrUnknownValue)
	c.finite(field+".remaining", e.Remaining)
	c.finite(field+".speed", e.Speed)
	c.addrs(field+".addrs", e.Addrs)
}

func (c *checker) entries(field string, list []Entry) {
	c.count(field, len(list), 0, maxEntries)
	for i := range min(len(list), maxEntries) {
		if c.err != nil {
			return
		}
		c.entry(field+"."+strconv.Itoa(i), &list[i])
	}
}

func (c *checker) place(field string, p *WorkAt) {
	c.node(field+".holder", p.Holder, false)
	c.addrs(field+".addrs", p.Addrs)
	c.wob(field+".wob", p.WOB, true)
	c.finite(field+".remaining", p.Remaining)
}

func (c *checker) digest(field string, d *Digest) {
	if d != nil {
		c.atLeast(field+".count", int64(d.Count), 0)
	}
}

func (c *checker) carried(field string, w *wob.WOB) {
	c.that(field, w != nil, ErrMissing)
	if w != nil {
		c.wob(field+".id", w.ID, false)
	}
}

func (c *checker) carriedIfFound(field string, id wob.ID, found bool, w *wob.WOB) {
	c.that(field, found == (w != nil), ErrInconsistent)
	if w != nil {
		c.carried(field, w)
		c.that(field+".id", w.ID == id, ErrInconsistent)
	}
}
