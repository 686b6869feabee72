package node

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/sdk"
)

// TestMain lets the test binary be the shim, the applications of the tests, their install
// commands and a second node as well. They end by syscall.Exit: under the race detector
// os.Exit waits a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case app.ShimArg:
			syscall.Exit(app.ShimMain())
		case "test-app":
			syscall.Exit(testApp(os.Args[2], os.Args[3], os.Args[4]))
		case "test-needs": // fails unless there is such a file
			if _, err := os.Stat(os.Args[2]); err != nil {
				fmt.Fprintln(os.Stderr, "the library is missing")
				syscall.Exit(1)
			}
			syscall.Exit(0)
		case "test-writes":
			dir, err := os.Getwd()
			if err != nil || os.WriteFile(os.Args[2], []byte(dir), 0o600) != nil {
				syscall.Exit(1)
			}
			syscall.Exit(0)
		case "test-node":
			n, err := Open(Config{Data: os.Args[2], Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Slots: -1})
			fmt.Println(n != nil, err)
			time.Sleep(time.Minute) // until it is killed
			syscall.Exit(0)
		}
	}
	goleak.VerifyTestMain(m, slices.Concat(leftByLibp2p, leftByHTTP)...)
}

// What stays when a host or a client was closed; none of it is of this package.
var (
	leftByLibp2p = []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/ipfs/go-log/writer.(*MirrorWriter).logRoutine"),
	}
	leftByHTTP = []goleak.Option{ // idle connections of the clients
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	}
)

// testApp adds up the numbers of a range, a thousand a second and each times the factor.
func testApp(name, version, factor string) int {
	var times int
	fmt.Sscan(factor, &times)
	return sdk.Range[int]{
		Name: name, Version: version,
		Unit: func(lo, hi int64) (sum int) {
			for n := lo; n < hi; n++ {
				sum += int(n) * times
			}
			time.Sleep(time.Duration(hi-lo) * time.Millisecond)
			return sum
		},
		Merge: func(a, b int) int { return a + b },
	}.Main()
}
