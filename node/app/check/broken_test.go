package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/wobcompute/wobcompute/sdk"
	"github.com/wobcompute/wobcompute/wob"
)

// whole is what the applications under test implement when nothing is missing.
type whole interface {
	sdk.App
	sdk.Splitter
	sdk.Starter
}

// bad makes one mistake, of a good application otherwise.
type bad struct {
	whole
	mistake string
}

// brokenMain is an application that adds up the numbers of a range, a millisecond each, and makes
// the mistake named.
func brokenMain(mistake string) int {
	r := sdk.Range[int64]{
		Name: "sum", Version: "1.0.0",
		Unit: func(lo, hi int64) (sum int64) {
			for ; lo < hi; lo++ {
				time.Sleep(time.Millisecond)
				sum += lo
			}
			return sum
		},
		Merge: func(a, b int64) int64 { return a + b },
	}
	opts := []sdk.Option{sdk.Name("sum", "1.0.0"), sdk.Concurrent()}
	good := r.App().(whole)
	switch mistake {
	case "no splitter":
		return sdk.Main(struct {
			sdk.App
			sdk.Starter
		}{good, good}, opts...)
	case "answers anything":
		return answersAnything()
	case "prints":
		fmt.Println("hello, this line goes where messages go")
	}
	status := sdk.Main(&bad{good, mistake}, opts...)
	if mistake == "stays after the end" {
		time.Sleep(time.Minute)
	}
	return status
}

// answersAnything is not made with the SDK, and answers what it does not know.
func answersAnything() int {
	in := bufio.NewReader(os.Stdin)
	os.Stdout.WriteString(`{"jsonrpc":"2.0","id":0,"method":"Start","params":{"protocol":1,"app":"sum","version":"1"}}` + "\n")
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal(line, &m) != nil || m.Method == "" || m.ID == nil {
			continue
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"done":true,"result":1,"checkpoint":{},"effort":{"total":1,"remaining":0}}}`+"\n", m.ID)
	}
}

func (b *bad) OnWOBInit(w *sdk.WOB) error {
	switch {
	case b.mistake == "forgets at resume":
		w.Checkpoint, w.Result = "", ""
	case b.mistake == "loses result at resume" && w.Result != "":
		w.Result = "0"
	}
	return b.whole.OnWOBInit(w)
}

func (b *bad) OnCompute(n *sdk.Node) (bool, error) {
	if b.mistake == "exits early" {
		syscall.Exit(0)
	}
	done, err := b.whole.OnCompute(n)
	if b.mistake == "deaf to Suspend" && !done {
		time.Sleep(time.Minute)
	}
	return done, err
}

func (b *bad) OnCheckpoint() (sdk.Packed, error) {
	p, err := b.whole.OnCheckpoint()
	switch b.mistake {
	case "silent checkpoint":
		if p.Effort.Remaining > 0 {
			time.Sleep(time.Minute)
		}
	case "no result":
		p.Result = ""
	}
	return p, err
}

func (b *bad) OnWOBRequest(r sdk.Request, self sdk.Speed) (*sdk.Offer, error) {
	if b.mistake == "never offers" {
		return nil, nil
	}
	o, err := b.whole.OnWOBRequest(r, self)
	if o == nil && b.mistake == "offers twice" {
		return &sdk.Offer{ID: "second", Effort: 1}, nil
	}
	return o, err
}

func (b *bad) OnWOBOfferAck(offer string, child sdk.ID) (sdk.NewChild, error) {
	c, err := b.whole.OnWOBOfferAck(offer, child)
	switch {
	case b.mistake == "takes any ack" && err != nil:
		return sdk.NewChild{Boundary: `{"lo":0,"hi":1}`}, nil
	case b.mistake == "gives but keeps" && err == nil:
		return c, b.whole.OnWOBChildReturn(child, c.Boundary, c.Checkpoint)
	case b.mistake == "gives too much" && err == nil:
		c.Boundary, c.Effort = `{"lo":0,"hi":1000}`, wob.Effort{Total: 1000, Remaining: 1000}
	}
	return c, err
}

func (b *bad) OnWOBChildReturn(child sdk.ID, boundary, checkpoint sdk.Raw) error {
	if b.mistake == "loses the returned" {
		return nil
	}
	return b.whole.OnWOBChildReturn(child, boundary, checkpoint)
}

func (b *bad) OnWOBChildFinished(w *sdk.WOB) error {
	switch b.mistake {
	case "drops results":
		return nil
	case "merges twice":
		if err := b.whole.OnWOBChildFinished(w); err != nil {
			return err
		}
	}
	return b.whole.OnWOBChildFinished(w)
}
