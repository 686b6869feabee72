// Package api is the gateway's HTTP interface seen from outside: the JSON of its
// calls and a client for them. Nodes, the command line and the gateway itself share
// it, so that the three cannot disagree.
//
// Times are RFC 3339 in UTC, durations are seconds. A reader that has no trustworthy
// clock goes by the seconds.
package api

import (
	"time"

	"github.com/wobcompute/wobcompute/wob"
)

// Limits of the API. A larger body is refused with 413.
const (
	MaxWOBBody   = 9 << 20   // bytes: an encoded WOB (8 MiB) and what may surround it
	MaxBody      = 1 << 20   // bytes of every other request
	MaxApp       = 512 << 20 // bytes of an application package
	MaxAnswer    = 64 << 20  // bytes of an answer that is not a package
	MaxClusterID = 128       // bytes of a cluster's id
)

// State is where a root stands, for its owner.
type State string

// The states of a root.
const (
	Queued    State = "queued"    // injected, not yet taken
	Running   State = "running"   // lent to a node
	Waiting   State = "waiting"   // lent to a node; its own part is complete, children are out
	Finished  State = "finished"  // the result is final
	Failed    State = "failed"    // given up after repeated application failures
	Cancelled State = "cancelled" // by the owner
)

// Terminal reports whether a root in state s is over for good.
func (s State) Terminal() bool { return s == Finished || s == Failed || s == Cancelled }

// Injection is the body of PUT /wobs/{id}: a primary WOB, which becomes a root.
// Its content decides whether a repeated injection is the same job.
type Injection struct {
	App        string     `json:"app"`      // name, or name@version to pin a version
	Boundary   wob.Raw    `json:"boundary"` // in the application's own terms
	Checkpoint wob.Raw    `json:"checkpoint,omitempty"`
	Meta       wob.Raw    `json:"meta,omitempty"`
	Effort     wob.Effort `json:"effort,omitzero"`
}

// Root is what the gateway knows of one root, or of one WOB known to it or to the
// overlay behind it (then without the fields of an injection).
type Root struct {
	ID       wob.ID      `json:"id"`
	App      string      `json:"app,omitempty"`
	Parent   wob.ID      `json:"parent,omitempty"` // empty for a root
	State    State       `json:"state"`
	Phase    wob.State   `json:"phase,omitempty"` // as its holder told the overlay, "suspended" for example
	Boundary wob.Raw     `json:"boundary,omitempty"`
	Injected *time.Time  `json:"injected,omitempty"`
	Ended    *time.Time  `json:"ended,omitempty"`
	Seconds  float64     `json:"seconds"` // from injection to the end, or to now
	WOBs     uint64      `json:"wobs"`    // WOBs that made it up, itself included; while it runs, those known of
	Effort   *wob.Effort `json:"effort,omitempty"`
	Lease    *LeaseInfo  `json:"lease,omitempty"`
	Location *Location   `json:"location,omitempty"`
	// Failures says why a root failed; GET /wobs leaves it out.
	Failures []wob.Failure `json:"failures,omitempty"`
}

// LeaseInfo tells who holds a root and until when.
type LeaseInfo struct {
	Inc     wob.Incarnation `json:"inc"`
	Version uint64          `json:"version"`
	Expires time.Time       `json:"expires"`
}

// AtGateway is the peer of a Location whose WOB lies in the gateway's own store.
const AtGateway = "gateway"

// Location tells where a WOB is (paper, section 3.1.2). Fresh is false when the holder
// is missing: the location may still be right.
type Location struct {
	Peer    wob.NodeID `json:"peer"`
	Addrs   []string   `json:"addrs"`
	Cluster string     `json:"cluster,omitempty"`
	Fresh   bool       `json:"fresh"`
	Epoch   uint64     `json:"epoch"`
	Version uint64     `json:"version"`
}

// Roots is the answer to GET /wobs, oldest injection first.
type Roots struct {
	WOBs []Root `json:"wobs"`
}

// Node is one WOB in the answer to GET /wobs/{id}/tree.
type Node struct {
	ID        wob.ID     `json:"id"`
	App       string     `json:"app,omitempty"`
	State     string     `json:"state"`
	Holder    wob.NodeID `json:"holder,omitempty"`
	Remaining float64    `json:"remaining"` // effort, in the application's unit
	Speed     float64    `json:"speed"`     // effort per second
	Epoch     uint64     `json:"epoch"`
	Version   uint64     `json:"version"`
	Stale     bool       `json:"stale,omitempty"` // the holder is missing
	Children  []Node     `json:"children"`
}

// Result is the answer to GET /wobs/{id}/result. Result is null until the state is
// finished; Failures says why a root failed.
type Result struct {
	ID       wob.ID        `json:"id"`
	State    State         `json:"state"`
	Result   wob.Raw       `json:"result"`
	Seconds  float64       `json:"seconds"`
	WOBs     uint64        `json:"wobs"`
	Stats    wob.Stats     `json:"stats"`
	Failures []wob.Failure `json:"failures,omitempty"`
}

// Member is the answer to POST /members.
type Member struct {
	Peer     wob.NodeID `json:"peer"`
	Project  string     `json:"project"`
	Enrolled time.Time  `json:"enrolled"`
}

// Supervisor is one super-peer of a cluster.
type Supervisor struct {
	Peer     wob.NodeID `json:"peer"`
	Addrs    []string   `json:"addrs"`
	Capacity int        `json:"capacity,omitempty"` // lasting connections it can hold
}

// View is a cluster's ordered list of supervisors; views order by epoch.
type View struct {
	Cluster     string       `json:"cluster"`
	Epoch       uint64       `json:"epoch"`
	Supervisors []Supervisor `json:"supervisors"`
}

// Answers of GET /clusters.
const (
	AnswerList  = "list"  // join one of these clusters, best first
	AnswerFound = "found" // found a new cluster, under a lease only one node gets
	AnswerWait  = "wait"  // ask again after so many seconds
)

// Where is the answer to GET /clusters: where to join.
type Where struct {
	Answer     string      `json:"answer"`
	Clusters   []Candidate `json:"clusters,omitempty"`
	Lease      string      `json:"lease,omitempty"`
	Expires    *time.Time  `json:"expires,omitempty"`
	RetryAfter float64     `json:"retryAfter,omitempty"`
}

// Candidate is one cluster that can be joined.
type Candidate struct {
	ID          string       `json:"id"`
	Supervisors []Supervisor `json:"supervisors"`
}

// Workload is the level that wakes idle nodes.
type Workload struct {
	Gateway uint64 `json:"gateway"`
	Cluster uint64 `json:"cluster"`
}

// ClusterStatus is the body of PUT /clusters/{id}. It is a compare-and-swap: accepted
// if the view's epoch is above the one the gateway holds, or equal to it with the same
// supervisors; refused with 409 and that epoch otherwise.
type ClusterStatus struct {
	View     View     `json:"view"`
	Lease    string   `json:"lease,omitempty"`  // of the founding, in the first report
	Parent   string   `json:"parent,omitempty"` // cluster it is attached to
	Members  int      `json:"members"`          // nodes, supervisors included
	Capacity int      `json:"capacity"`         // members it can hold in all
	Idle     int      `json:"idle"`             // free slots
	Work     int      `json:"work"`             // WOBs with work remaining
	Workload Workload `json:"workload"`
}

// StatusAnswer answers PUT /clusters/{id}: the workload level, which every injection
// raises, and the WOBs that POST /work would lend now.
type StatusAnswer struct {
	Workload uint64   `json:"workload"`
	Roots    []wob.ID `json:"roots"`
}

// WorkRequest is the body of POST /work: the installed applications, each as name or
// name@version. Null means any, an empty list none.
type WorkRequest struct {
	Apps []string `json:"apps"`
}

// Work is the answer to POST /work: a WOB, lent under a lease.
type Work struct {
	WOB   *wob.WOB `json:"wob"`
	Lease Lease    `json:"lease"`
}

// Lease tells how long a WOB is lent. A holder that cannot renew it in time loses the
// WOB to whoever asks next, under a higher epoch.
type Lease struct {
	Expires time.Time `json:"expires"`
	Seconds float64   `json:"seconds"`
}

// Duration is the length of the lease.
func (l Lease) Duration() time.Duration { return time.Duration(l.Seconds * float64(time.Second)) }

// Renewal is the body of PUT /roots/{id}/lease.
type Renewal struct {
	Inc     wob.Incarnation `json:"inc"`
	Version uint64          `json:"version"`
	Effort  *wob.Effort     `json:"effort,omitempty"`
}

// Release is the body of DELETE /roots/{id}/lease.
type Release struct {
	Inc wob.Incarnation `json:"inc"`
}

// Accepted answers PUT /roots/{id}/result: false for a result that came too late.
type Accepted struct {
	Accepted bool `json:"accepted"`
}

// FailsafeEntry is one line of GET /failsafe.
type FailsafeEntry struct {
	ID     wob.ID     `json:"id"`
	App    string     `json:"app"`
	Parent wob.ID     `json:"parent,omitempty"`
	State  wob.State  `json:"state"`
	Stamp  wob.Stamp  `json:"stamp"`
	Effort wob.Effort `json:"effort"`
}

// FailsafeList is the answer to GET /failsafe, ordered by id.
type FailsafeList struct {
	WOBs []FailsafeEntry `json:"wobs"`
}

// Health is the answer to GET /healthz.
type Health struct {
	Status  string  `json:"status"` // ok
	Project string  `json:"project"`
	Seconds float64 `json:"seconds"` // since the gateway started
	Roots   int     `json:"roots"`
	Queued  int     `json:"queued"`
	Members int     `json:"members"`
}

// Event is one server-sent event of GET /events.
type Event struct {
	ID   uint64    `json:"id"` // consecutive; a reader resumes after the last one it saw
	Time time.Time `json:"time"`
	Type string    `json:"type"` // injected, lent, renewed, released, result, cancelled, failsafe, enrolled, cluster, project
	WOB  wob.ID    `json:"wob,omitempty"`
	Peer string    `json:"peer,omitempty"`
	Data wob.Raw   `json:"data,omitempty"`
}
