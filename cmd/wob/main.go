// Command wob is all of WOBCompute in one program: the volunteer's node, the project's
// gateway, the owner's tools and a demonstration of the whole on one machine.
//
// Each subcommand has a file of its own, with its flags and its wiring and nothing that
// decides. Exit codes: see exit.go.
package main

import (
	"fmt"
	"os"

	"github.com/wobcompute/wobcompute/examples/nqueens/queens"
	"github.com/wobcompute/wobcompute/examples/primes/sieve"
	"github.com/wobcompute/wobcompute/node/app"
)

// exampleArg is the hidden subcommand that is an application: "wob example primes".
const exampleArg = "example"

func main() {
	// What a node starts many times comes before everything else.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case app.ShimArg:
			os.Exit(app.ShimMain())
		case exampleArg:
			os.Exit(example(os.Args[2:]))
		}
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// example runs a built-in application on standard input and output.
func example(args []string) int {
	if len(args) > 0 {
		switch args[0] {
		case "primes":
			return sieve.Main()
		case "nqueens":
			return queens.Main()
		}
	}
	fmt.Fprintln(os.Stderr, "wob example is started by a node: wob example primes|nqueens")
	return exitUsage
}
