package gateway

import (
	"net/http"
	"slices"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/wob"
)

// getTree is GET /wobs/{id}/tree: a WOB and what the overlay knows below it.
func (s *Server) getTree(r *http.Request, _ wob.NodeID) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	entries := s.entries()
	nodes := map[wob.ID]api.Node{}
	below := map[wob.ID][]wob.ID{}
	add := func(n api.Node, parent wob.ID) {
		if _, known := nodes[n.ID]; !known {
			below[parent] = append(below[parent], n.ID)
		}
		nodes[n.ID] = n
	}
	s.mu.Lock()
	for _, k := range s.state.failsafe {
		h := k.head
		add(api.Node{ID: h.ID, App: h.App, State: string(h.State), Holder: api.AtGateway, Remaining: h.Effort.Remaining,
			Epoch: h.Epoch, Version: h.Version}, h.Parent)
	}
	for _, e := range entries {
		if e.Gone {
			continue
		}
		if n, known := nodes[e.ID]; known && e.Inc.Epoch < n.Epoch {
			continue
		}
		add(api.Node{ID: e.ID, App: e.App, State: string(e.State), Holder: e.Inc.Holder, Remaining: e.Remaining, Speed: e.Speed,
			Epoch: e.Inc.Epoch, Version: e.Version, Stale: e.Stale}, e.Parent)
	}
	if root := s.state.roots[id]; root != nil {
		nodes[id] = rootNode(root, nodes[id], s.lookUp(entries).phase(root))
	}
	s.mu.Unlock()
	if _, known := nodes[id]; !known {
		return reply{}, notFound("%s is known to nobody", id)
	}
	return ok(grow(id, nodes, below, map[wob.ID]bool{}, maxDepth))
}

// rootNode is the root in its tree: its state is the gateway's to say, but that its
// holder suspended it.
func rootNode(r *root, n api.Node, phase wob.State) api.Node {
	n.ID, n.App, n.State = r.ID, r.App, string(r.State)
	if phase == wob.Suspended {
		n.State = string(phase)
	}
	if r.Lent && n.Epoch <= r.Inc.Epoch && (n.Holder == "" || n.Holder == api.AtGateway) {
		n.Holder, n.Epoch, n.Version = r.Inc.Holder, r.Inc.Epoch, r.version
		if r.effort != nil {
			n.Remaining = r.effort.Remaining
		}
	}
	return n
}

// grow hangs the children below their parents. The entries come from many nodes and
// may contradict each other: no WOB appears twice.
func grow(id wob.ID, nodes map[wob.ID]api.Node, below map[wob.ID][]wob.ID, seen map[wob.ID]bool, depth int) api.Node {
	seen[id] = true
	n := nodes[id]
	n.Children = []api.Node{}
	children := below[id]
	slices.Sort(children)
	for _, c := range children {
		if !seen[c] && depth > 0 {
			n.Children = append(n.Children, grow(c, nodes, below, seen, depth-1))
		}
	}
	return n
}
