package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	nqueens "github.com/wobcompute/wobcompute/examples/nqueens/queens"
	"github.com/wobcompute/wobcompute/examples/primes/sieve"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

// job is something the demo can compute.
type job struct {
	limit, most int64 // default and greatest --limit
	boundary    func(limit int64) wob.Raw
	expected    func(limit int64) *int64 // nil: not known
}

var jobs = map[string]job{
	"primes": {
		limit: 10_000_000_000, most: sieve.MaxLimit,
		boundary: func(n int64) wob.Raw { return wob.Raw(fmt.Sprintf(`{"limit":%d}`, n)) },
		expected: primesBelow,
	},
	"nqueens": {
		limit: 15, most: nqueens.MaxN,
		boundary: func(n int64) wob.Raw { return wob.Raw(fmt.Sprintf(`{"n":%d}`, n)) },
		expected: queens,
	},
}

// Apps lists what the demo can compute.
func Apps() []string { return slices.Sorted(maps.Keys(jobs)) }

// checkpointEvery is short, so that a job of seconds has checkpoints to resume from.
const checkpointEvery = "500ms"

// writePackage makes an application's directory: an app.json and the program, which is
// this very one, since it has the examples built in.
func writePackage(dir, app, program string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make the application: %w", err)
	}
	spec, err := json.MarshalIndent(map[string]any{
		"name": app, "version": "1.0.0", "threads": 1, "checkpoint": checkpointEvery, "timeout": "30s",
		"run": []string{"./wob", "example", app},
	}, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, project.SpecFile), append(spec, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("make the application: %w", err)
	}
	return copyProgram(program, filepath.Join(dir, "wob"))
}

// primesTable holds known numbers of primes below n (OEIS A006880 and primesieve).
var primesTable = map[int64]int64{
	10_000_000_000:     455_052_511,
	50_000_000_000:     2_119_654_578,
	100_000_000_000:    4_118_054_813,
	1_000_000_000_000:  37_607_912_018,
	10_000_000_000_000: 346_065_536_839,
}

// countable is up to where counting takes a second or so.
const countable = 200_000_000_000

func primesBelow(n int64) *int64 {
	if count, known := primesTable[n]; known {
		return &count
	}
	if n > countable {
		return nil
	}
	count := countPrimes(n - 1)
	return &count
}

// countPrimes counts the primes up to n without finding them, in n^(3/4) steps (Legendre's
// recurrence over the values n/i): nothing it has in common with a sieve of segments could
// make both wrong.
func countPrimes(n int64) int64 {
	if n < 2 {
		return 0
	}
	root := int64(math.Sqrt(float64(n)))
	for root*root > n {
		root--
	}
	for (root+1)*(root+1) <= n {
		root++
	}
	small := make([]int64, root+1) // of v: numbers in 2..v not yet struck out
	large := make([]int64, root+1) // of i: likewise in 2..n/i
	for i := int64(1); i <= root; i++ {
		small[i], large[i] = i-1, n/i-1
	}
	for p := int64(2); p*p <= n; p++ {
		if small[p] == small[p-1] {
			continue // not a prime
		}
		below, square := small[p-1], p*p
		for i := int64(1); i <= min(root, n/square); i++ {
			if i*p <= root {
				large[i] -= large[i*p] - below
			} else {
				large[i] -= small[n/(i*p)] - below
			}
		}
		for v := root; v >= square; v-- {
			small[v] -= small[v/p] - below
		}
	}
	return large[1]
}

// queensTable holds the solutions of n queens, n from 1 (OEIS A000170).
var queensTable = []int64{1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596, 2279184, 14772512, 95815104, 666090624}

func queens(n int64) *int64 {
	if n < 1 || n > int64(len(queensTable)) {
		return nil
	}
	return &queensTable[n-1]
}
