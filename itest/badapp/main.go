// Command badapp is an application with the fault that its argument names, or none. Without the
// fault it counts to n for the boundary {"n":n}, a hundred a second.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/sdk"
	"github.com/wobcompute/wobcompute/wob"
)

// The faults.
const (
	exits      = "exits"   // before it called Start
	crashes    = "crashes" // in OnCompute, with a word on standard error
	hangs      = "hangs"   // in OnWOBInit
	junk       = "junk"    // on standard output, among the messages
	late       = "late"    // does not answer OnCheckpoint in time
	large      = "large"   // its checkpoint is over 8 MiB
	forever    = 24 * time.Hour
	checkpoint = 9 << 20 // bytes of a large one
)

type counter struct {
	fault string
	N     int `json:"n"`
	At    int `json:"at"`
}

// OnWOBInit begins or goes on.
func (c *counter) OnWOBInit(w *sdk.WOB) error {
	if c.fault == hangs {
		time.Sleep(forever)
	}
	c.N, c.At = 0, 0
	if err := json.Unmarshal([]byte(w.Boundary), c); err != nil {
		return fmt.Errorf("boundary: %w", err)
	}
	if w.Checkpoint != "" {
		return json.Unmarshal([]byte(w.Checkpoint), &c.At)
	}
	return nil
}

// OnCompute counts.
func (c *counter) OnCompute(n *sdk.Node) (bool, error) {
	for n.CanCompute() {
		if c.fault == crashes && c.At > 5 {
			fmt.Fprintln(os.Stderr, "licence file not found")
			os.Exit(3)
		}
		if c.At == c.N {
			return true, nil
		}
		time.Sleep(10 * time.Millisecond)
		c.At++
	}
	return false, nil
}

// OnCheckpoint packs how far it is.
func (c *counter) OnCheckpoint() (sdk.Packed, error) {
	at := wob.Raw(fmt.Sprint(c.At))
	p := sdk.Packed{Checkpoint: at, Result: at, Effort: wob.Effort{Total: float64(c.N), Remaining: float64(c.N - c.At)}}
	switch c.fault {
	case late:
		time.Sleep(forever)
	case large:
		p.Checkpoint = wob.Raw(`"` + strings.Repeat("x", checkpoint) + `"`)
	}
	return p, nil
}

func main() {
	fault, name, version := os.Args[1], os.Args[2], os.Args[3]
	switch fault {
	case exits:
		fmt.Fprintln(os.Stderr, "no graphics card")
		os.Exit(1)
	case junk:
		out := os.Stdout // before the SDK points it elsewhere
		go func() {
			for i := 0; ; i++ {
				fmt.Fprintf(out, "step %d\n{\"step\":%d}\n[1,2\n\x00\xff\n\n{}\n", i, i)
				time.Sleep(time.Millisecond)
			}
		}()
	}
	os.Exit(sdk.Main(&counter{fault: fault}, sdk.Name(name, version)))
}
