package check

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

// pair shares a job between two slots as two nodes would, without storing or sending anything:
// what is left is what an application's own splitting costs.
type pair struct {
	t       testing.TB
	k       *checker
	running []*task
	splits  int
	idle    time.Duration // of both slots, summed
}

// task is a WOB with its process.
type task struct {
	part
	a       *actor
	compute <-chan app.Reply
	parent  *task
	kids    int
	done    bool
}

func (p *pair) start(w appapi.WOB, parent *task) *task {
	a, err := p.k.stage.launch()
	require.NoError(p.t, err)
	require.NoError(p.t, a.init(w))
	n := &task{part: part{wob: w}, a: a, parent: parent, compute: a.send(appapi.OnCompute, nil)}
	p.running = append(p.running, n)
	return n
}

// run computes the job and returns its result.
func (p *pair) run(boundary wob.Raw) wob.Raw {
	root := p.start(p.k.stage.newWOB(boundary, ""), nil)
	last := time.Now()
	for root.kids > 0 || !root.done {
		now := time.Now()
		p.idle += now.Sub(last) * time.Duration(2-len(p.running))
		last = now
		for i := 0; i < len(p.running); i++ {
			if n := p.running[i]; len(n.compute) > 0 {
				require.NoError(p.t, n.a.complete(n.compute))
				n.done = true
				p.running = append(p.running[:i], p.running[i+1:]...)
				p.finish(n)
				i--
			}
		}
		if len(p.running) == 1 {
			p.ask(p.running[0])
		}
		time.Sleep(time.Millisecond)
	}
	last0, err := root.a.last()
	require.NoError(p.t, err)
	require.NoError(p.t, root.a.quit())
	return last0.Result
}

// ask splits the only running WOB for the idle slot.
func (p *pair) ask(n *task) {
	offer, err := n.a.request()
	require.NoError(p.t, err)
	if offer == nil {
		return
	}
	c, err := n.a.take(offer, n.wob.ID)
	require.NoError(p.t, err)
	n.kids++
	p.splits++
	p.start(c.wob, n)
}

// finish merges a WOB of which all is done into its parent, and so on upwards.
func (p *pair) finish(n *task) {
	for n.parent != nil && n.done && n.kids == 0 {
		var err error
		n.packed, err = n.a.last()
		require.NoError(p.t, err)
		require.NoError(p.t, n.parent.a.merge(&n.part))
		require.NoError(p.t, n.a.quit())
		n.parent.kids--
		n = n.parent
	}
}

// BenchmarkPair reports how much of two slots' time a shared job leaves idle, and how often it is
// split for that. The rest of the machine must be idle for the efficiency to mean anything.
func BenchmarkPair(b *testing.B) {
	for name, c := range map[string]struct{ boundary, want wob.Raw }{
		"primes":  {`{"limit":30000000000}`, "1300005926"},
		"nqueens": {`{"n":16}`, "14772512"},
	} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			for b.Loop() {
				o := Options{Dir: build(b, name), Boundary: c.boundary, Bench: true}
				alone, err := Run(context.Background(), o)
				require.NoError(b, err)
				require.Equal(b, c.want, alone.Result)

				cmd, err := o.prepare()
				require.NoError(b, err)
				k := &checker{ctx: context.Background(), stage: newStage(context.Background(), cmd, app.Config{ScratchRoot: dir})}
				p := &pair{t: b, k: k}
				begin := time.Now()
				require.Equal(b, c.want, p.run(c.boundary))
				took := time.Since(begin)
				k.stage.close()
				b.ReportMetric(alone.Seconds, "alone-s")
				b.ReportMetric(took.Seconds(), "pair-s")
				b.ReportMetric(alone.Seconds/2/took.Seconds(), "efficiency")
				b.ReportMetric(float64(p.idle)/float64(2*took), "idle-share")
				b.ReportMetric(float64(p.splits), "splits")
			}
		})
	}
}
