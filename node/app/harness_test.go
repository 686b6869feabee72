package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rig is a manager under test with its events.
type rig struct {
	t      *testing.T
	m      *Manager
	events chan Event
}

// newRig returns a manager whose deadlines are all short, so that a test of a hang is quick.
func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	cfg := Config{ScratchRoot: filepath.Join(t.TempDir(), "scratch"), Grace: 200 * time.Millisecond, StopWait: 200 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	r := &rig{t: t, events: make(chan Event, 1000)}
	r.m = NewManager(cfg, func(e Event) { r.events <- e })
	t.Cleanup(r.m.Close)
	return r
}

// short gives every method the same deadline.
func short(d time.Duration) func(*Config) {
	return func(c *Config) {
		c.Deadlines = map[string]time.Duration{}
		for method := range table {
			c.Deadlines[method] = d
		}
		c.Deadlines["Start"] = 20 * time.Second // this machine may be slow to start it
		c.Grace = d
	}
}

func command0(args ...string) Command {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Command{Dir: ".", Run: append([]string{exe, "test-app"}, args...), Name: "test", Version: "1.0.0", Project: "p", Params: `{"a":1}`}
}

// start starts process 0, generation 1, and waits for Up.
func (r *rig) start(args ...string) Up {
	r.t.Helper()
	r.m.StartProc(0, 1, command0(args...))
	return wait[Up](r)
}

// wait returns the next event, which must be an E.
func wait[E Event](r *rig) E {
	r.t.Helper()
	select {
	case e := <-r.events:
		got, ok := e.(E)
		require.True(r.t, ok, "got %T %+v", e, e)
		return got
	case <-time.After(30 * time.Second):
		require.FailNow(r.t, "no event")
		panic("unreachable")
	}
}

// say makes the test application print a line.
func (r *rig) say(line string) {
	r.m.Notify(0, 1, "OnWOBMsg", map[string]any{"data": line})
}

// call makes a call and waits for its answer.
func (r *rig) call(id uint64, method string, params any) json.RawMessage {
	r.t.Helper()
	r.m.Call(0, 1, id, method, params)
	rep := wait[Reply](r)
	require.Equal(r.t, id, rep.Call)
	require.Nil(r.t, rep.Err)
	return rep.Result
}

// pids reads the pids that an application wrote to a file.
func pids(t *testing.T, path string) (out []int) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, 20*time.Second, 5*time.Millisecond)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, f := range strings.Fields(string(b)) {
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		out = append(out, n)
	}
	return out
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	return !strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " Z")
}
