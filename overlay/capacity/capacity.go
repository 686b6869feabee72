// Package capacity does the arithmetic of a cluster's size (paper, section 3.1.3):
// equation 1, C = Cs + Cr + Cm, the number of supervisors that makes a cluster largest,
// and the rule that says whether one more supervisor pays. It computes in integers, so
// that every node and the simulator decide alike.
//
// Capacities count lasting connections, reserves are percent of the capacity. Links
// between clusters and temporary connections are not counted.
package capacity

// Reserved is Cr, the connections a supervisor keeps free for the members of a lost one.
func Reserved(capacity, reserve int) int { return capacity * reserve / 100 }

// Members is Cm of equation 1: how many members a supervisor of this capacity holds in a
// cluster of so many supervisors without touching its reserve.
func Members(capacity, supervisors, reserve int) int {
	return max(0, capacity-(supervisors-1)-Reserved(capacity, reserve))
}

// Joinable is how many members a supervisor may have for it to accept one more join:
// half of the reserve is open to joins, so that a cluster still grows while an election
// runs (paper: "supervisors can still accept connecting nodes by using their reserved
// capacity").
func Joinable(capacity, supervisors, reserve int) int {
	return max(0, capacity-(supervisors-1)-(Reserved(capacity, reserve)+1)/2)
}

// Attachable is the limit after the loss of a supervisor: the whole reserve serves.
func Attachable(capacity, supervisors int) int { return max(0, capacity-(supervisors-1)) }

// Total is how many members a cluster of these supervisors holds unreserved.
func Total(capacities []int, reserve int) int {
	sum := 0
	for _, c := range capacities {
		sum += Members(c, len(capacities), reserve)
	}
	return sum
}

// Worth reports whether a node of this capacity, elected as the k-th supervisor in
// descending order of capacity, makes the cluster larger: it brings its own unreserved
// connections and takes one from each of the k-1 others, (1-r)c + 1 > 2(k-1). Mixed
// capacities need this marginal rule; 45% of the smallest would let one small node
// shrink the whole cluster.
func Worth(capacity, k, reserve int) bool {
	return (100-reserve)*capacity+100 > 200*(k-1)
}

// Optimum returns the number of supervisors of equal capacity that makes a cluster
// largest, ((1-r)C+1)/2, and the members it then holds, floor(((1-r)C+1)^2/4): 45 and
// 2070 for a capacity of 100 and a reserve of 10.
func Optimum(capacity, reserve int) (supervisors, members int) {
	k := (100-reserve)*capacity + 100
	return k / 200, k * k / 40_000
}
