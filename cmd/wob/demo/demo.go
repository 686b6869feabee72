// Package demo runs a whole network on one machine: a gateway and nodes as processes of
// their own, on loopback, that compute a real job through the real path, from the signed
// application package to the merged result. It leaves no process and no file behind.
package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/wobcompute/wobcompute/wob"
)

// Config says what to run. Complete fills in defaults and refuses nonsense.
type Config struct {
	App      string
	Limit    int64 // 0: the application's default
	Nodes    int
	Capacity int // lasting connections per node
	Kill     int
	Keep     string    // new directory to keep everything in; empty: keep nothing
	Program  string    // the wob executable; empty: this one
	Out      io.Writer // for people
	Terminal bool      // Out is a terminal: progress is redrawn in place
}

// maxNodes bounds the processes one machine is asked to run.
const maxNodes = 200

// Complete fills in defaults and checks the configuration.
func (c *Config) Complete() error {
	job, ok := jobs[c.App]
	if !ok {
		return fmt.Errorf("--app %q: there is %s", c.App, strings.Join(Apps(), " and "))
	}
	if c.Limit == 0 {
		c.Limit = job.limit
	}
	switch {
	case c.Limit < 1 || c.Limit > job.most:
		return fmt.Errorf("--limit %d: for %s it is from 1 to %d", c.Limit, c.App, job.most)
	case c.Nodes < 1 || c.Nodes > maxNodes:
		return fmt.Errorf("--nodes %d: from 1 to %d", c.Nodes, maxNodes)
	case c.Capacity < 2 || c.Capacity > 1<<20: // the overlay's bounds
		return fmt.Errorf("--capacity %d: from 2 to %d; a supervisor needs a connection to another one and one to a member",
			c.Capacity, 1<<20)
	case c.Kill < 0:
		return fmt.Errorf("--kill %d: it cannot be negative", c.Kill)
	case c.Kill >= c.Nodes:
		return fmt.Errorf("--kill %d of %d nodes: at least one must survive", c.Kill, c.Nodes)
	}
	if c.Keep != "" {
		entries, err := os.ReadDir(c.Keep)
		if err == nil && len(entries) > 0 {
			return fmt.Errorf("--keep %s: the directory is not empty; name a new one", c.Keep)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("--keep %s: %w", c.Keep, err)
		}
	}
	if c.Program == "" {
		exe, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		c.Program = exe
	}
	return nil
}

// Result is what a demo tells in the end.
type Result struct {
	App      string  `json:"app"`
	Boundary wob.Raw `json:"boundary"`
	Result   wob.Raw `json:"result"`
	Expected *int64  `json:"expected"` // null: not known
	OK       *bool   `json:"ok"`       // null: nothing to compare with
	Seconds  float64 `json:"seconds"`  // from submission to result
	Nodes    int     `json:"nodes"`
	WOBs     uint64  `json:"wobs"`
	Splits   uint64  `json:"splits"`
	Killed   int     `json:"killed"`
	// Recovered counts resumptions from a backup with own progress in it.
	Recovered int `json:"recovered"`
	// Redone is the share of the work that was computed twice: of each WOB that a killed
	// node held, what it had done by then (its last report, and its speed since) less what
	// the backup it was resumed from contained; all of a WOB whose part returned to its
	// parent. An estimate.
	Redone float64 `json:"redone"`
}

// judge compares the result with the expected value.
func (r *Result) judge(expected *int64) {
	r.Expected = expected
	if expected == nil {
		return
	}
	ok := strings.TrimSpace(string(r.Result)) == strconv.FormatInt(*expected, 10)
	r.OK = &ok
}

// String tells the result to people.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s %s = %s", r.App, r.Boundary, r.Result)
	switch {
	case r.OK == nil:
		b.WriteString("   (no known value to compare with)\n")
	case *r.OK:
		fmt.Fprintf(&b, "   exact: expected %d\n", *r.Expected)
	default:
		fmt.Fprintf(&b, "   WRONG: expected %d\n", *r.Expected)
	}
	fmt.Fprintf(&b, "%.1f s on %d nodes, %d WOBs, %d splits", r.Seconds, r.Nodes, r.WOBs, r.Splits)
	if r.Killed > 0 {
		fmt.Fprintf(&b, "; %d killed, %d resumed from a checkpoint, %.1f%% of the work done twice", r.Killed, r.Recovered, 100*r.Redone)
	}
	b.WriteString("\n")
	return b.String()
}
