// Command twins counts the twin primes p, p+2 with lo <= p < hi.
package main

import (
	"os"

	"github.com/wobcompute/wobcompute/sdk"
)

func prime(n int64) bool {
	for d := int64(2); d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

func main() {
	app := sdk.Range[int]{
		Name: "twins", Version: "1.0.0",
		Unit: func(lo, hi int64) (count int) {
			for n := lo; n < hi; n++ {
				if prime(n) && prime(n+2) {
					count++
				}
			}
			return count
		},
		Merge: func(a, b int) int { return a + b },
	}
	os.Exit(app.Main())
}
