package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

// stall is how long nothing may move before the demo gives up.
const stall = 60 * time.Second

// look is how often the gateway is asked whether the job is over.
const look = 100 * time.Millisecond

// heard is a line that a node printed.
type heard struct {
	node int
	line []byte
}

// tmpDir, in the demo's directory, is for the temporary files of its processes: those of
// one that is killed go with the rest.
const tmpDir = "tmp"

// demo is one run.
type demo struct {
	cfg     Config
	job     job
	dir     string
	view    *view
	track   *tracker
	starter starter
	gateway *process
	nodes   []*process
	owner   *api.Client
	id      wob.ID
	events  chan heard
	died    chan *process
	killed  int
}

// Run runs the demo, cleans up, and returns what came out. The error says what went
// wrong; there may be a result all the same, a wrong one for example.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Complete(); err != nil {
		return nil, err
	}
	d := &demo{cfg: cfg, job: jobs[cfg.App], events: make(chan heard, 1024), died: make(chan *process, cfg.Nodes+1), id: wob.ID(uuid.NewString())}
	now := time.Now()
	d.view, d.track = newView(cfg.Out, cfg.Terminal, now), newTracker(cfg.Nodes, now)
	if n := sweep(now); n > 0 {
		d.view.say("%s", leftovers(n))
	}
	release, err := d.makeDir()
	if err != nil {
		return nil, fmt.Errorf("directory of the demo: %w", err)
	}
	defer release()
	expected := make(chan *int64, 1)
	go func() { expected <- d.job.expected(d.cfg.Limit) }()
	adopt()
	d.starter = newStarter()
	defer d.starter.close()
	result, err := d.run(ctx)
	d.view.clear()
	if err != nil && ctx.Err() == nil {
		d.showLogs()
	}
	stopAll(d.all(), err == nil)
	awaitOrphans(stopWait)
	if cfg.Keep == "" {
		release() // an open file cannot be removed everywhere
		err = errors.Join(err, removeAll(d.dir))
	}
	if result == nil {
		return nil, err
	}
	result.judge(<-expected)
	if result.OK != nil && !*result.OK {
		err = errors.Join(err, fmt.Errorf("the result %s is wrong, %d was expected; run it again with --keep DIR and look at the logs", result.Result, *result.Expected))
	}
	if d.killed < cfg.Kill {
		d.view.say("only %d of %d nodes were killed: the job was over before another one held work in a checkpoint; try a larger --limit", d.killed, cfg.Kill)
	}
	return result, err
}

// makeDir makes the directory of this run: the one to keep, or one that is locked for as
// long as the demo lives.
func (d *demo) makeDir() (release func(), err error) {
	if d.cfg.Keep == "" {
		d.dir, release, err = ownDir()
	} else {
		release = func() {}
		d.dir, err = filepath.Abs(d.cfg.Keep)
	}
	if err != nil {
		return nil, err
	}
	return release, os.MkdirAll(filepath.Join(d.dir, tmpDir), 0o700)
}

func (d *demo) all() []*process {
	if d.gateway == nil {
		return d.nodes
	}
	return append(append([]*process{}, d.nodes...), d.gateway)
}

func (d *demo) run(ctx context.Context) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.view.say("a gateway and %d nodes on this machine compute %s %s", d.cfg.Nodes, d.cfg.App, d.job.boundary(d.cfg.Limit))
	dir := filepath.Join(d.dir, "project")
	if _, err := project.New("demo", dir); err != nil {
		return nil, err
	}
	appDir := filepath.Join(d.dir, "app")
	if err := writePackage(appDir, d.cfg.App, d.cfg.Program); err != nil {
		return nil, err
	}
	if _, err := project.AddApp(dir, appDir); err != nil {
		return nil, err
	}
	if err := d.startGateway(ctx, dir); err != nil {
		return nil, err
	}
	if err := d.startNodes(ctx); err != nil {
		return nil, err
	}
	d.view.say("the gateway and the nodes run; job %s is submitted", shortID(d.id))
	results := make(chan outcome, 1)
	go func() { results <- d.await(ctx) }()
	return d.watch(ctx, results)
}

// startGateway starts the gateway and submits the job, before there is any node.
func (d *demo) startGateway(ctx context.Context, dir string) error {
	lines := make(chan []byte, 16)
	var err error
	d.gateway, err = d.start("gateway", lines, "gateway", "run", "--project", dir, "--listen", "127.0.0.1:0",
		"--p2p", "/ip4/127.0.0.1/tcp/0", "--grace", "1s")
	if err != nil {
		return err
	}
	ready, err := awaitReady(ctx, d.gateway, lines)
	if err != nil {
		return err
	}
	token, err := project.Token(dir)
	if err != nil {
		return err
	}
	d.owner = api.New(ready.URL, token)
	_, err = d.owner.Inject(ctx, d.id, api.Injection{App: d.cfg.App, Boundary: d.job.boundary(d.cfg.Limit)})
	return err
}

// start starts one wob process; its lines beyond the first few nobody waits for are dropped.
func (d *demo) start(name string, lines chan<- []byte, args ...string) (*process, error) {
	logs := ""
	if d.cfg.Keep != "" {
		logs = d.dir
	}
	args = append(args, "--json", "--lifeline")
	p, err := d.starter.start(name, d.cfg.Program, args, filepath.Join(d.dir, tmpDir), logs, func(b []byte) {
		select {
		case lines <- append([]byte(nil), b...):
		default:
		}
	})
	if err != nil {
		return nil, err
	}
	go func() {
		<-p.ended
		d.died <- p
	}()
	return p, nil
}

// startNodes joins and starts all nodes at once.
func (d *demo) startNodes(ctx context.Context) error {
	joined := make(chan error, d.cfg.Nodes)
	data := func(i int) string { return filepath.Join(d.dir, nodeName(i)) }
	for i := range d.cfg.Nodes {
		go func() {
			_, err := node.Enrol(ctx, data(i), d.owner.URL, "")
			joined <- err
		}()
	}
	for range d.cfg.Nodes {
		if err := <-joined; err != nil {
			return err
		}
	}
	for i := range d.cfg.Nodes {
		lines := make(chan []byte, 1024)
		p, err := d.start(nodeName(i), lines, "node", "run", "--data", data(i), "--listen", "/ip4/127.0.0.1/tcp/0",
			"--admin", "127.0.0.1:0", "--slots", "1", "--capacity", strconv.Itoa(d.cfg.Capacity), "--events", "--grace", "1s")
		if err != nil {
			return err
		}
		d.nodes = append(d.nodes, p)
		go func() {
			for {
				select {
				case b := <-lines:
					d.events <- heard{i, b}
				case <-p.ended:
					return
				}
			}
		}()
	}
	return nil
}

// outcome is how the job ended.
type outcome struct {
	result api.Result
	err    error
}

// await asks the gateway until the job is over.
func (d *demo) await(ctx context.Context) outcome {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		r, err := d.owner.Result(ctx, d.id)
		if err != nil || r.State.Terminal() {
			return outcome{r, err}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return outcome{err: ctx.Err()}
		}
	}
}

// watch follows the run to its end.
func (d *demo) watch(ctx context.Context, results <-chan outcome) (*Result, error) {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case h := <-d.events:
			d.hear(h, time.Now())
		case p := <-d.died:
			if !p.expected {
				return nil, fmt.Errorf("%s ended unexpectedly (%w); its last lines are above, --keep DIR keeps the whole log", p.name, orClean(p.err))
			}
		case now := <-tick.C:
			d.killOne(now)
			d.view.show(d.track, now)
			if now.Sub(d.track.lastMove) > stall {
				return nil, fmt.Errorf("nothing has moved for %s; the last lines of each process are above, --keep DIR keeps the whole logs", stall)
			}
		case o := <-results:
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if o.err != nil {
				return nil, fmt.Errorf("the gateway does not tell the result: %w", o.err)
			}
			d.drain()
			return d.finish(o.result)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *demo) hear(h heard, now time.Time) {
	var e event
	if json.Unmarshal(h.line, &e) == nil && d.track.nodes[h.node].alive {
		d.track.handle(h.node, &e, now)
	}
}

// drain takes in what the nodes said before the result was seen.
func (d *demo) drain() {
	for quiet := time.NewTimer(look); ; {
		select {
		case h := <-d.events:
			d.hear(h, time.Now())
		case <-quiet.C:
			return
		}
	}
}

// killOne kills a node when it is time for the next one: the kills are spread over the job.
func (d *demo) killOne(now time.Time) {
	if d.killed == d.cfg.Kill || d.track.share() < float64(d.killed+1)/float64(d.cfg.Kill+2) {
		return
	}
	i, ok := d.track.victim()
	if !ok {
		return
	}
	d.nodes[i].kill()
	d.track.killed(i, now)
	d.killed++
}

func (d *demo) finish(r api.Result) (*Result, error) {
	if r.State != api.Finished {
		why := make([]string, 0, len(r.Failures))
		for _, f := range r.Failures {
			why = append(why, f.Error+" "+f.Log)
		}
		return nil, fmt.Errorf("the job is %s: %s", r.State, strings.Join(why, "; "))
	}
	return &Result{
		App: d.cfg.App, Boundary: d.job.boundary(d.cfg.Limit), Result: r.Result, Seconds: r.Seconds,
		Nodes: d.cfg.Nodes, WOBs: r.WOBs, Splits: max(r.Stats.Splits, uint64(d.track.splits)),
		Killed: d.killed, Recovered: d.track.recovered, Redone: d.track.redoneShare(),
	}, nil
}

// showLogs shows the last lines of every process, for whoever must find out what went wrong.
func (d *demo) showLogs() {
	for _, p := range d.all() {
		fmt.Fprintf(d.cfg.Out, "%s:\n%s\n", p.name, p.log)
	}
}
