package app

import (
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Manager runs application processes. Its methods never block (Close excepted) and may be
// called from any goroutine. A call with a generation that is not the newest of its process
// number is ignored: it is the effect of a decision that was overtaken.
type Manager struct {
	cfg  Config
	post func(Event)

	mu     sync.Mutex // guards what follows
	procs  map[int]*process
	closed bool
	wg     sync.WaitGroup // one for each process
}

// NewManager returns a manager that reports events to post, which may be called from any
// goroutine, for one process in order, and never after Close has returned.
func NewManager(cfg Config, post func(Event)) *Manager {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 10 * time.Second
	}
	if cfg.StopWait <= 0 {
		cfg.StopWait = 5 * time.Second
	}
	return &Manager{cfg: cfg, post: post, procs: make(map[int]*process)}
}

// StartProc starts generation gen of process number proc; a failure comes as Down. A process of
// an older generation under that number is killed, and is gone before the new one starts.
func (m *Manager) StartProc(proc int, gen uint64, c Command) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.procs[proc]
	if m.closed || (old != nil && old.gen >= gen) {
		return
	}
	p := &process{
		m: m, proc: proc, gen: gen, cmd: c,
		wake: make(chan struct{}, 1), in: make(chan any, 16), done: make(chan struct{}),
		log: m.cfg.Logger.With("proc", proc, "gen", gen, "app", c.Name),
	}
	var before <-chan struct{}
	if old != nil {
		old.push(command{kind: cmdKill})
		before = old.done
	}
	m.procs[proc] = p
	m.wg.Go(func() { p.run(before) })
}

// Call sends a request; Reply{Call: call} answers it. Requests of one process are sent in order,
// each after the one before was answered; only OnCompute stays open besides. The deadline runs
// from the sending.
func (m *Manager) Call(proc int, gen, call uint64, method string, params any) {
	m.push(proc, gen, command{kind: cmdCall, call: call, method: method, body: params})
}

// Notify sends a notification, in order with the calls.
func (m *Manager) Notify(proc int, gen uint64, method string, params any) {
	m.push(proc, gen, command{kind: cmdNotify, method: method, body: params})
}

// Answer answers a Request with a result or an error.
func (m *Manager) Answer(proc int, gen uint64, id json.RawMessage, result any, err *RPCError) {
	m.push(proc, gen, command{kind: cmdAnswer, id: id, body: result, err: err})
}

// StopProc closes the process's standard input once all that was queued is sent, which asks it
// to exit, and kills it StopWait later. Down then has no error.
func (m *Manager) StopProc(proc int, gen uint64) { m.push(proc, gen, command{kind: cmdStop}) }

// Kill ends the process and its descendants at once.
func (m *Manager) Kill(proc int, gen uint64) { m.push(proc, gen, command{kind: cmdKill}) }

// Close kills all processes and waits until they are gone.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	for _, p := range m.procs {
		p.push(command{kind: cmdKill})
	}
	m.mu.Unlock()
	m.wg.Wait()
}

func (m *Manager) push(proc int, gen uint64, c command) {
	m.mu.Lock()
	p := m.procs[proc]
	m.mu.Unlock()
	if p != nil && p.gen == gen {
		p.push(c)
	}
}

// shim returns the argument vector that starts the application's argument vector argv.
func (m *Manager) shim(argv []string) ([]string, error) {
	prefix := m.cfg.Shim
	if len(prefix) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		prefix = []string{exe, ShimArg}
	}
	out := append([]string(nil), prefix...)
	out = append(out, "--")
	return append(out, argv...), nil
}
