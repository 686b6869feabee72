package gateway

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/wob"
)

const crashKills = 20

// serveForEver is the gateway process that TestNothingAnsweredIsLost kills.
func serveForEver(dir string) {
	cfg := DefaultConfig()
	cfg.ProjectDir, cfg.DataDir, cfg.Token = filepath.Join(dir, "project"), filepath.Join(dir, "data"), testToken
	cfg.Listen, cfg.Logger, cfg.MinFree = "127.0.0.1:0", slog.New(slog.DiscardHandler), 1
	go func() { // ends with the test, should that not kill it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	s, err := New(cfg)
	if err == nil {
		fmt.Println("ready", s.URL())
		err = s.Run(ctx)
	}
	fmt.Println("error", err)
	os.Exit(1)
}

func startProcess(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WOB_GATEWAY_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	_, err = cmd.StdinPipe() // open as long as this process lives
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	require.True(t, ok, line)
	return cmd, url
}

// What the gateway answered for is there after SIGKILL: injections, the states of
// roots, epochs and results.
func TestNothingAnsweredIsLost(t *testing.T) {
	dir := t.TempDir()
	_, err := project.New("numbers", filepath.Join(dir, "project"))
	require.NoError(t, err)
	addApp(t, filepath.Join(dir, "project"), "primes", "1.0.0")
	var mu sync.Mutex
	want := map[wob.ID]api.State{}
	var number atomic.Int64
	key := newVolunteer(t)
	for range crashKills {
		cmd, url := startProcess(t, dir)
		check(t, url, want)
		var calls atomic.Int64
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				owner, node := api.New(url, testToken), api.NewMember(url, key.key)
				if _, err := node.Enrol(ctx); err != nil {
					return
				}
				for {
					i := id(int(number.Add(1)))
					note := func(s api.State) {
						mu.Lock()
						want[i] = s
						mu.Unlock()
						if calls.Add(1) == 20 {
							_ = cmd.Process.Kill()
						}
					}
					if _, err := owner.Inject(ctx, i, job); err != nil {
						return
					}
					note(api.Queued)
					w, err := node.TakeWork(ctx, nil)
					if err != nil {
						return
					}
					if w == nil {
						continue // another writer was faster
					}
					i = w.WOB.ID
					if _, err := node.PutResult(ctx, finished(w.WOB, "25")); err != nil {
						return
					}
					note(api.Finished)
				}
			})
		}
		writers.Wait()
		_ = cmd.Process.Kill()
		require.Error(t, cmd.Wait(), "killed")
		require.GreaterOrEqual(t, calls.Load(), int64(20), "all went well until then")
	}
	require.Greater(t, len(want), 50)
}

// check compares what the gateway holds with what it answered for. Calls whose answer
// was lost may have been carried out: a state may be ahead, never behind.
func check(t *testing.T, url string, want map[wob.ID]api.State) {
	t.Helper()
	owner := api.New(url, testToken)
	all, err := owner.WOBs(ctx)
	require.NoError(t, err)
	have := map[wob.ID]api.State{}
	for _, r := range all {
		have[r.ID] = r.State
	}
	for i, state := range want {
		require.Contains(t, have, i)
		if state == api.Finished {
			require.Equal(t, state, have[i])
			r, err := owner.Result(ctx, i)
			require.NoError(t, err)
			require.Equal(t, wob.Raw("25"), r.Result)
		}
	}
}
