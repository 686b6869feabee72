package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/node/store"
	"github.com/wobcompute/wobcompute/wob"
)

// inject is PUT /wobs/{id}: the owner submits a primary WOB. The id is the owner's, so
// that a call whose answer was lost can be repeated.
func (s *Server) inject(r *http.Request, _ wob.NodeID) (reply, error) {
	w, hash, err := readInjection(r)
	if err != nil {
		return reply{}, err
	}
	if _, err := s.Project().App(w.App); err != nil {
		s.pollProject() // it may have been added this moment
	}
	f, created, err := s.addRoot(w, hash)
	if err != nil {
		return reply{}, err
	}
	if err := f.wait(r.Context()); err != nil {
		return reply{}, err
	}
	if !created {
		return ok(map[string]any{"id": w.ID})
	}
	s.emit(api.Event{Type: "injected", WOB: w.ID})
	s.tell()
	return reply{http.StatusCreated, map[string]any{"id": w.ID}}, nil
}

// addRoot makes the root and its write.
func (s *Server) addRoot(w *wob.WOB, hash string) (f *flush, created bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.state.roots[w.ID]; have != nil {
		if have.Hash != hash {
			return nil, false, problem(http.StatusConflict, api.CodeConflict, "choose another id for another job",
				"%s was injected before with other content", w.ID)
		}
		return s.state.last, false, nil
	}
	if s.state.failsafe[w.ID] != nil {
		return nil, false, problem(http.StatusConflict, api.CodeConflict, "choose another id", "%s is the id of another WOB", w.ID)
	}
	wanted, err := s.project.App(w.App)
	if err != nil {
		return nil, false, unknownApp(err)
	}
	if newest, err := s.project.App(wanted.Name); err == nil && newest.Version != wanted.Version {
		p := problem(http.StatusUnprocessableEntity, api.CodeUnknownApp, "submit it for "+wanted.Name+", without a version",
			"nodes run the newest version of an application: %s %s, not %s", newest.Name, newest.Version, wanted.Version)
		p.Field = "app"
		return nil, false, p
	}
	if err := s.room(); err != nil {
		return nil, false, err
	}
	encoded, err := w.Encode()
	if err != nil {
		return nil, false, invalid("", "the application fetches large data sets itself", "%v", err)
	}
	s.state.serial++
	root := &root{ID: w.ID, App: w.App, Hash: hash, Serial: s.state.serial, State: api.Queued, Injected: s.cfg.Now().UTC()}
	s.state.roots[w.ID] = root
	return s.save(saveRoot(root), store.Put(wobKey+string(w.ID), encoded), s.raise()), true, nil
}

func unknownApp(err error) error {
	p := problem(http.StatusUnprocessableEntity, api.CodeUnknownApp, "add it with `wob project app add`", "%v", err)
	if !errors.Is(err, project.ErrUnknownApp) {
		return err
	}
	p.Field = "app"
	return p
}

// readInjection reads the body strictly: a field that is misspelt must not pass for one
// that was left out.
func readInjection(r *http.Request) (*wob.WOB, string, error) {
	id, err := pathID(r)
	if err != nil {
		return nil, "", err
	}
	b, err := read(r)
	if err != nil {
		return nil, "", err
	}
	var in struct {
		ID         wob.ID          `json:"id"`
		App        string          `json:"app"`
		Boundary   json.RawMessage `json:"boundary"`
		Checkpoint wob.Raw         `json:"checkpoint"`
		Meta       wob.Raw         `json:"meta"`
		Effort     wob.Effort      `json:"effort"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, "", badJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, "", problem(http.StatusBadRequest, api.CodeBadRequest, "", "the body goes on after its JSON object")
	}
	w := new(wob.WOB)
	if err := w.UnmarshalJSON(b); err != nil { // finds fields given twice or in the wrong case
		return nil, "", badJSON(err)
	}
	switch {
	case in.ID != "" && in.ID != id:
		return nil, "", invalid("id", "", "the body says %.64q, the path %s", in.ID, id)
	case in.App == "":
		return nil, "", invalid("app", "name an application of the project", "the field app is missing")
	case in.Boundary == nil:
		return nil, "", invalid("boundary", "give the application's boundary, null if it takes none", "the field boundary is missing")
	}
	w = &wob.WOB{ID: id, App: w.App, State: wob.Created, Boundary: w.Boundary, Checkpoint: w.Checkpoint, Meta: w.Meta, Effort: w.Effort}
	if err := w.Validate(); err != nil {
		var field *wob.FieldError
		name := ""
		if errors.As(err, &field) {
			name = field.Field
		}
		return nil, "", invalid(name, "", "%v", err)
	}
	return w, contentHash(w), nil
}

// contentHash tells whether two injections are the same job, whatever their white space.
func contentHash(w *wob.WOB) string {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	effort, _ := json.Marshal(w.Effort) // validated: finite
	part([]byte(w.App))
	for _, r := range []wob.Raw{w.Boundary, w.Checkpoint, w.Meta} {
		var tight, safe bytes.Buffer
		if !r.IsNull() {
			_ = json.Compact(&tight, []byte(r)) // validated
			json.HTMLEscape(&safe, tight.Bytes())
		}
		part(safe.Bytes())
	}
	part(effort)
	return hex.EncodeToString(h.Sum(nil))
}

// cancel is DELETE /wobs/{id}. Holders learn it at their next renewal.
func (s *Server) cancel(r *http.Request, _ wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	f, changed, err := s.cancelRoot(id)
	if errors.Is(err, errNoRoot) {
		err = s.noRoot(id)
	}
	if err == nil {
		err = f.wait(r.Context())
	}
	if err != nil {
		return reply{}, err
	}
	if changed {
		s.emit(api.Event{Type: "cancelled", WOB: id})
	}
	return noContent, nil
}

var errNoRoot = errors.New("no root")

func (s *Server) cancelRoot(id wob.ID) (f *flush, changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	root := s.state.roots[id]
	switch {
	case root == nil:
		return nil, false, errNoRoot
	case root.State == api.Cancelled:
		return s.state.last, false, nil
	case root.State.Terminal():
		return nil, false, problem(http.StatusConflict, api.CodeConflict, "", "%s is %s already", id, root.State)
	}
	return s.save(s.end(root, api.Cancelled)...), true, nil
}

// end makes a root terminal and drops what the failsafe store holds of its tree, as far
// as that is known; s.mu is held.
func (s *Server) end(r *root, state api.State) []store.Op {
	r.State, r.Ended, r.Lent = state, s.cfg.Now().UTC(), false
	ops := []store.Op{saveRoot(r)}
	children := map[wob.ID][]wob.ID{}
	for id, k := range s.state.failsafe {
		children[k.head.Parent] = append(children[k.head.Parent], id)
	}
	doomed := []wob.ID{r.ID}
	for len(doomed) > 0 {
		id := doomed[0]
		doomed = append(doomed[1:], children[id]...)
		delete(children, id)
		ops = append(ops, s.forget(id)...)
	}
	return ops
}

// forget drops a WOB from the failsafe store; s.mu is held.
func (s *Server) forget(id wob.ID) []store.Op {
	if s.state.failsafe[id] == nil {
		return nil
	}
	delete(s.state.failsafe, id)
	return []store.Op{store.Del(failsafeKey + string(id)), store.Del(lentKey + string(id))}
}

// room refuses what needs space on a disk that is nearly full: the store must never
// meet the end of it.
func (s *Server) room() error {
	free, total, err := s.cfg.DiskFree(s.cfg.DataDir)
	if err != nil {
		return unavailable(err)
	}
	least := s.cfg.MinFree
	if least == 0 {
		least = min(1<<30, total/20)
	}
	if free < least {
		return problem(http.StatusInsufficientStorage, api.CodeNoRoom, "make room on the gateway's disk",
			"the gateway's disk has %d MiB left and keeps %d MiB free", free>>20, least>>20)
	}
	return nil
}

func (r *root) seconds(now time.Time) float64 {
	if !r.Ended.IsZero() {
		now = r.Ended
	}
	return max(0, now.Sub(r.Injected).Seconds())
}
