// Command primes counts primes as an application of WOBCompute; see package sieve.
package main

import (
	"os"

	"github.com/wobcompute/wobcompute/examples/primes/sieve"
)

func main() { os.Exit(sieve.Main()) }
