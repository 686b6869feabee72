package sdk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Tree is an application that searches a tree, however uneven: a node is expanded into its
// children or, when its whole subtree is small enough, solved in one call at native speed.
// Nobody gives a size of grain: it is found by measuring.
//
//	t := sdk.Tree[board, int]{Name: "solve", Version: "1.0.0",
//		Root:   func(boundary json.RawMessage) (board, error) { … },
//		Expand: func(b board) []board { return b.moves() },
//		Solve:  func(b board) int { return b.count() },
//		Merge:  func(a, b int) int { return a + b },
//	}
//
// N, written as JSON, is all that another machine needs to go on from a node.
type Tree[N, R any] struct {
	Name, Version string // as in app.json
	Threads       int    // subtrees searched at once, as in app.json; default 1

	// Root reads the boundary of the whole job.
	Root func(boundary json.RawMessage) (N, error)
	// Expand returns a node's children, none if it is a leaf. It is called for nodes near the
	// root only and should take microseconds.
	Expand func(n N) []N
	// Solve returns the result of the whole subtree below a node, itself included: the same as
	// merging the results of its children. Of a leaf it is the leaf's own result.
	Solve func(n N) R
	// Merge joins two results in any order: it is associative and commutative.
	Merge func(a, b R) R
	// Size estimates what a root costs, in a unit that is the same for all jobs, so that the
	// speeds of nodes can be compared. Default 1.
	Size func(root N) float64
	// Check refuses a node that another machine has sent and that cannot be right.
	Check func(n N) error
	// Setup is given the parameters of the package's app.json before anything is computed.
	Setup func(params json.RawMessage) error
}

// Main runs the application and returns the exit status of the program.
func (t Tree[N, R]) Main(opts ...Option) int { return Main(t.App(), t.options(opts)...) }

// Run is Main for those who handle the error themselves.
func (t Tree[N, R]) Run(opts ...Option) error { return Run(t.App(), t.options(opts)...) }

// App returns the application, to be run with the option Concurrent.
func (t Tree[N, R]) App() App {
	return &engine[branch[N], R]{
		kind: treeKind[N, R]{tree: t}, merge: t.Merge,
		empty: func() (zero R) { return zero }, threads: t.Threads, setup: t.Setup, patience: firstPiece,
	}
}

func (t Tree[N, R]) options(more []Option) []Option {
	return append([]Option{Name(t.Name, t.Version), Threads(max(1, t.Threads)), Concurrent()}, more...)
}

// branch is an open node. Its weight estimates its share of the work: the root's size, divided
// equally among the children at every expansion, so weights always add up.
type branch[N any] struct {
	node   N
	weight float64
}

// treeKind keeps open work as a stack, the lightest nodes (the deepest) on top. The top is
// searched first; what is given away is a fair sample of all levels.
type treeKind[N, R any] struct{ tree Tree[N, R] }

// treeBoundary is a boundary as this package writes it.
type treeBoundary[N any] struct {
	Nodes   []N       `json:"nodes"`
	Weights []float64 `json:"weights"`
}

func (k treeKind[N, R]) parse(b json.RawMessage) ([]branch[N], error) {
	var probe struct {
		Nodes   json.RawMessage `json:"nodes"`
		Weights []float64       `json:"weights"`
	}
	if err := json.Unmarshal(b, &probe); err != nil || probe.Nodes == nil || probe.Weights == nil {
		root, err := k.tree.Root(b)
		if err != nil {
			return nil, err
		}
		weight := 1.0
		if k.tree.Size != nil {
			weight = k.tree.Size(root)
		}
		return []branch[N]{{root, weight}}, nil
	}
	var nodes []N
	if err := json.Unmarshal(probe.Nodes, &nodes); err != nil {
		return nil, err
	}
	if len(nodes) != len(probe.Weights) {
		return nil, fmt.Errorf("%d nodes with %d weights", len(nodes), len(probe.Weights))
	}
	out := make([]branch[N], len(nodes))
	for i, n := range nodes {
		if probe.Weights[i] < 0 {
			return nil, fmt.Errorf("node %d weighs %g", i, probe.Weights[i])
		}
		if k.tree.Check != nil {
			if err := k.tree.Check(n); err != nil {
				return nil, fmt.Errorf("node %d: %w", i, err)
			}
		}
		out[i] = branch[N]{n, probe.Weights[i]}
	}
	return k.join(nil, out)
}

func (k treeKind[N, R]) boundary(parts []branch[N]) any {
	tb := treeBoundary[N]{Nodes: make([]N, len(parts)), Weights: make([]float64, len(parts))}
	for i, p := range parts {
		tb.Nodes[i], tb.Weights[i] = p.node, p.weight
	}
	return tb
}

func (k treeKind[N, R]) cost(b branch[N]) float64 { return b.weight }

func (k treeKind[N, R]) run(b branch[N]) R { return k.tree.Solve(b.node) }

// children expands a node; none for a leaf.
func (k treeKind[N, R]) children(b branch[N]) []branch[N] {
	nodes := k.tree.Expand(b.node)
	out := make([]branch[N], len(nodes))
	for i, n := range nodes {
		out[i] = branch[N]{n, b.weight / float64(len(nodes))}
	}
	return out
}

func (k treeKind[N, R]) take(open []branch[N], want float64) (branch[N], []branch[N]) {
	for {
		top := open[len(open)-1]
		open = open[:len(open)-1]
		if top.weight <= want {
			return top, open
		}
		below := k.children(top)
		if len(below) == 0 {
			return top, open
		}
		slices.Reverse(below) // searched in the order Expand gave
		open = append(open, below...)
	}
}

// Sizes of a cut: the frontier is expanded until no node holds more than one part in cutParts
// of the work, but not more than cutExpansions times.
const (
	cutParts      = 48
	cutExpansions = 256
)

func (k treeKind[N, R]) cut(open []branch[N], amount float64) (keep, give []branch[N]) {
	var total float64
	for _, b := range open {
		total += b.weight
	}
	if amount >= total {
		return nil, slices.Clone(open)
	}
	var leaves []branch[N]
	open, leaves = k.refine(slices.Clone(open), total/cutParts)
	byWeight(open)
	// Error diffusion: at every point of the list, from heavy to light, the part given so far
	// is the asked share of what was seen, as nearly as whole nodes allow.
	share := amount / total
	var seen, given float64
	for _, b := range open {
		seen += b.weight
		if given+b.weight/2 <= share*seen {
			give, given = append(give, b), given+b.weight
		} else {
			keep = append(keep, b)
		}
	}
	keep = append(keep, leaves...)
	byWeight(keep)
	return keep, give
}

// refine expands nodes heavier than limit, the heaviest first. Leaves are small, whatever their
// weight: they stay here.
func (k treeKind[N, R]) refine(open []branch[N], limit float64) (inner, leaves []branch[N]) {
	for range cutExpansions {
		if len(open) == 0 {
			break
		}
		at := 0
		for i := range open {
			if open[i].weight > open[at].weight {
				at = i
			}
		}
		if open[at].weight <= limit {
			break
		}
		b := open[at]
		open = slices.Delete(open, at, at+1)
		if below := k.children(b); len(below) > 0 {
			open = append(open, below...)
		} else {
			leaves = append(leaves, b)
		}
	}
	return open, leaves
}

// byWeight sorts a stack: heavy nodes at the bottom, the order of equals is kept.
func byWeight[N any](b []branch[N]) {
	slices.SortStableFunc(b, func(x, y branch[N]) int { return cmp.Compare(y.weight, x.weight) })
}

func (k treeKind[N, R]) join(open, more []branch[N]) ([]branch[N], error) {
	all := slices.Concat(open, more)
	byWeight(all)
	return all, nil
}
