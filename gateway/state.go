package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/wob"
)

// Keys of the gateway's store.
const (
	rootKey     = "/root/"     // JSON of root
	wobKey      = "/wob/"      // a root as it was injected
	failsafeKey = "/failsafe/" // newest snapshot of a WOB
	lentKey     = "/lent/"     // JSON of lent: a failsafe WOB that was handed out
	resultKey   = "/result/"   // a root as it ended
	memberKey   = "/member/"   // JSON of api.Member
	clusterKey  = "/cluster/"  // JSON of api.ClusterStatus
	foundKey    = "/meta/founding"
	levelKey    = "/meta/workload"
)

// state is what the gateway knows, in memory; bodies of WOBs stay on disk. It is
// changed first and then written, in the order of the changes: an answer waits for
// its own write, and a store that fails once fails every call after.
type state struct {
	roots    map[wob.ID]*root
	failsafe map[wob.ID]*kept
	members  map[wob.NodeID]api.Member
	clusters map[string]*cluster
	founding founding
	workload uint64
	serial   uint64 // of the last injection
	last     *flush // the newest write
}

// root is the record of one root.
type root struct {
	ID       wob.ID          `json:"id"`
	App      string          `json:"app"`
	Hash     string          `json:"hash"` // of the injected content
	Serial   uint64          `json:"serial"`
	State    api.State       `json:"state"`
	Injected time.Time       `json:"injected"`
	Ended    time.Time       `json:"ended,omitzero"`
	Inc      wob.Incarnation `json:"inc"`  // the newest one lent, or heard of since
	Lent     bool            `json:"lent"` // and not handed back
	Stats    wob.Stats       `json:"stats,omitzero"`

	// Not stored: after a restart every lease gets a full new term, so that the restart
	// itself never takes a root from a living holder.
	expires time.Time
	since   time.Time // of the last renewal
	expired bool      // reported
	version uint64
	effort  *wob.Effort
}

// kept is what is remembered of a WOB in the failsafe store.
type kept struct {
	head    *wob.WOB // without the application's fields, children and history
	lent    *wob.Incarnation
	expires time.Time // of the loan
}

// founding is the lease under which one node may found a cluster.
type founding struct {
	Lease   string     `json:"lease"`
	Holder  wob.NodeID `json:"holder"`
	Expires time.Time  `json:"expires"`
}

// cluster is the newest status of a cluster. heard is zero after a restart.
type cluster struct {
	status api.ClusterStatus
	heard  time.Time
}

// flush is one write under way.
type flush struct {
	done chan struct{}
	err  error
}

// save queues a write, in the order of the calls; s.mu is held.
func (s *Server) save(ops ...store.Op) *flush {
	f := &flush{done: make(chan struct{})}
	s.state.last = f
	s.kv.CommitFunc(func() []store.Op { return ops }, true, func(err error) {
		f.err = err
		close(f.done)
	})
	return f
}

// wait returns when the write is fsynced, or the problem to answer.
func (f *flush) wait(ctx context.Context) error {
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		if f.err != nil {
			return unavailable(f.err)
		}
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

// put makes the operation that stores v as JSON. All stored types are plain.
func put(key string, v any) store.Op {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("gateway: store %s: %v", key, err))
	}
	return store.Put(key, b)
}

// saveRoot is the operation that stores r.
func saveRoot(r *root) store.Op { return put(rootKey+string(r.ID), r) }

// raise raises the workload level, which wakes idle nodes; s.mu is held. The caller
// stores the operation and calls tell when s.mu is free.
func (s *Server) raise() store.Op {
	s.state.workload++
	return put(levelKey, s.state.workload)
}

// tell passes the workload level on to the node beside the gateway.
func (s *Server) tell() {
	s.mu.Lock()
	o, level := s.overlay, s.state.workload
	s.mu.Unlock()
	if o != nil {
		o.Workload(level)
	}
}

// load reads the store. A record that cannot be read refuses the start: the gateway
// answers for every one of them.
func (s *Server) load() error {
	now := s.cfg.Now()
	s.state = state{roots: map[wob.ID]*root{}, failsafe: map[wob.ID]*kept{},
		members: map[wob.NodeID]api.Member{}, clusters: map[string]*cluster{}}
	loans := map[wob.ID]wob.Incarnation{}
	err := s.kv.Scan(context.Background(), "/", func(key string, value []byte) error {
		if err := s.loadRecord(key, value, loans); err != nil {
			return fmt.Errorf("%w: %s: record %s: %w; restore a backup of it", store.ErrCorrupt, s.cfg.DataDir, key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, inc := range loans {
		if k := s.state.failsafe[id]; k != nil {
			k.lent, k.expires = &inc, now.Add(s.cfg.FailsafeLease)
		}
	}
	for id, r := range s.state.roots {
		r.extend(now, s.cfg.Lease)
		s.state.serial = max(s.state.serial, r.Serial)
		if k := s.state.failsafe[id]; k != nil {
			r.version, r.Stats = k.head.Version, k.head.Stats
		}
	}
	s.state.workload++ // idle nodes ask again: what was lent may be free now
	return s.save(put(levelKey, s.state.workload)).wait(context.Background())
}

func (s *Server) loadRecord(key string, value []byte, loans map[wob.ID]wob.Incarnation) (err error) {
	switch {
	case strings.HasPrefix(key, rootKey):
		r := new(root)
		if err = json.Unmarshal(value, r); err == nil {
			s.state.roots[r.ID] = r
		}
	case strings.HasPrefix(key, failsafeKey):
		var w *wob.WOB
		if w, err = wob.Decode(value); err == nil {
			s.state.failsafe[w.ID] = &kept{head: header(w)}
		}
	case strings.HasPrefix(key, lentKey):
		var inc wob.Incarnation
		if err = json.Unmarshal(value, &inc); err == nil {
			loans[wob.ID(key[len(lentKey):])] = inc
		}
	case strings.HasPrefix(key, memberKey):
		var m api.Member
		if err = json.Unmarshal(value, &m); err == nil {
			s.state.members[m.Peer] = m
		}
	case strings.HasPrefix(key, clusterKey):
		c := new(cluster)
		if err = json.Unmarshal(value, &c.status); err == nil {
			s.state.clusters[c.status.View.Cluster] = c
		}
	case key == foundKey:
		err = json.Unmarshal(value, &s.state.founding)
	case key == levelKey:
		err = json.Unmarshal(value, &s.state.workload)
	}
	return err
}

// header is what is remembered of a snapshot in memory.
func header(w *wob.WOB) *wob.WOB {
	return &wob.WOB{ID: w.ID, App: w.App, Parent: w.Parent, Epoch: w.Epoch, Moves: w.Moves, Holder: w.Holder,
		Version: w.Version, State: w.State, Effort: w.Effort, Stats: w.Stats}
}

// body reads a stored WOB.
func (s *Server) body(ctx context.Context, key string) (*wob.WOB, error) {
	b, err := s.kv.Get(ctx, key)
	if err != nil {
		return nil, unavailable(err)
	}
	w, err := wob.Decode(b)
	if err != nil {
		return nil, unavailable(err)
	}
	return w, nil
}
