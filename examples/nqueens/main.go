// Command nqueens counts the solutions of the N-queens problem as an application of WOBCompute;
// see package queens.
package main

import (
	"os"

	"github.com/wobcompute/wobcompute/examples/nqueens/queens"
)

func main() { os.Exit(queens.Main()) }
