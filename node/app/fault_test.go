package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

func TestNotStarted(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), []byte("x"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "junk"), []byte("\x00\x01"), 0o755))
	for _, c := range []struct {
		cmd  Command
		want string
	}{
		{Command{Dir: dir}, `no command given`},
		{Command{Dir: dir, Run: []string{"no-such-program"}}, `program "no-such-program" is not in PATH`},
		{Command{Dir: dir, Run: []string{"./missing"}}, `no such file`},
		{Command{Dir: dir, Run: []string{"./plain"}}, `program "./plain" is not executable`},
		{Command{Dir: dir, Run: []string{"./junk"}}, `could not be executed`},
		{Command{Dir: filepath.Join(dir, "gone"), Run: []string{"sh"}}, `no such file`},
		{command0("exit=3"), `ended by itself before it called Start: exit status 3`},
		{command0(`start={"protocol":2,"app":"test","version":"1.0.0"}`), `speaks protocol version 2, this node version 1`},
		{command0(`start={"protocol":1,"app":"other","version":"1.0.0"}`), `calls itself "other" in Start, its package "test"`},
		{command0(`start={"protocol":1,"app":"test","version":"2"}`), `calls itself version "2" in Start, its package "1.0.0"`},
		{command0(`start={"protocol":1,"app":"test","version":"1.0.0","finish":"x"}`), `finish "x"`},
		{command0(`start=[1]`), `parameters that cannot be read`},
	} {
		t.Run(c.want, func(t *testing.T) {
			r := newRig(t, nil)
			r.m.StartProc(0, 1, c.cmd)
			down := wait[Down](r)
			require.ErrorIs(t, down.Err, ErrStart)
			require.ErrorContains(t, down.Err, c.want)
		})
	}
}

func TestStartIsAwaited(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Deadlines = map[string]time.Duration{"Start": 100 * time.Millisecond} })
	r.m.StartProc(0, 1, command0("silent"))
	require.EqualError(t, wait[Down](r).Err, "the application did not call Start within 100ms")
}

func TestCallBeforeStartIsRefused(t *testing.T) {
	r := newRig(t, nil)
	r.start("early")
	require.Contains(t, string(wait[Note](r).Params), "Start comes first")
}

func TestHangsAreCaught(t *testing.T) {
	for method := range table {
		if method == appapi.Start || method == appapi.Suspend {
			continue
		}
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, short(100*time.Millisecond))
			r.start("hang=" + method)
			wait[Note](r)
			r.m.Call(0, 1, 1, method, nil)
			down := wait[Down](r)
			require.ErrorIs(t, down.Err, ErrDeadline)
			require.EqualError(t, down.Err, "the application did not answer "+method+" within 100ms")
		})
	}
	t.Run("Suspend", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, short(100*time.Millisecond))
		r.start("stubborn")
		wait[Note](r)
		r.m.Call(0, 1, 1, appapi.OnCompute, nil)
		r.m.Notify(0, 1, appapi.Suspend, nil)
		require.EqualError(t, wait[Down](r).Err, "the application did not answer OnCompute within 100ms of Suspend")
	})
	t.Run("OnAppExit", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, short(100*time.Millisecond))
		r.start("hang=OnAppExit")
		wait[Note](r)
		r.m.Call(0, 1, 1, appapi.OnAppExit, nil)
		require.ErrorContains(t, wait[Down](r).Err, "did not answer OnAppExit")
	})
}

func TestTooLateIsTooLate(t *testing.T) {
	r := newRig(t, short(100*time.Millisecond))
	r.start("late=OnCheckpoint")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCheckpoint, nil)
	require.ErrorIs(t, wait[Down](r).Err, ErrDeadline) // and no Reply
	// The application's own timeout raises the deadline.
	c := command0("late=OnCheckpoint")
	c.Timeout = 20 * time.Second
	r.m.StartProc(0, 2, c)
	wait[Up](r)
	wait[Note](r)
	r.m.Call(0, 2, 1, appapi.OnCheckpoint, nil)
	require.Nil(t, wait[Reply](r).Err)
}

func TestCrash(t *testing.T) {
	r := newRig(t, nil)
	r.start("crash=OnCheckpoint")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCompute, nil)
	r.m.Call(0, 1, 2, appapi.OnCheckpoint, nil)
	down := wait[Down](r)
	require.ErrorIs(t, down.Err, ErrExited)
	require.EqualError(t, down.Err, "the application ended by itself while OnCheckpoint was open: exit status 2")
	require.Contains(t, down.Log, "panic: test application crashes in OnCheckpoint")
	require.LessOrEqual(t, len(down.Log), 4<<10)
}

func TestLineTooLong(t *testing.T) {
	r := newRig(t, nil)
	r.start("longline=OnCheckpoint")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCheckpoint, nil)
	down := wait[Down](r)
	require.ErrorIs(t, down.Err, ErrProtocol)
	require.EqualError(t, down.Err, "the application wrote a line of more than 16 MiB on its standard output")
}

func TestClosedOutput(t *testing.T) {
	r := newRig(t, nil)
	r.start("close=OnCheckpoint")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCheckpoint, nil)
	require.EqualError(t, wait[Down](r).Err, "the application closed its standard output")
}

func TestDoesNotRead(t *testing.T) {
	r := newRig(t, nil)
	r.start("hang=OnCheckpoint")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCheckpoint, nil)
	big := map[string]string{"data": strings.Repeat("x", 8<<20)}
	for range 10 {
		r.m.Notify(0, 1, appapi.OnWOBMsg, big)
	}
	require.ErrorContains(t, wait[Down](r).Err, "does not read its standard input")
}

func TestStopThatIsNotObeyed(t *testing.T) {
	r := newRig(t, nil)
	r.start("deaf")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCompute, nil)
	r.m.Call(0, 1, 2, appapi.OnCompute, nil) // would wait for ever: dropped by the stop
	start := time.Now()
	r.m.StopProc(0, 1)
	require.NoError(t, wait[Down](r).Err)
	require.GreaterOrEqual(t, time.Since(start), r.m.cfg.StopWait)
}

func TestStopBeforeStart(t *testing.T) {
	r := newRig(t, nil)
	r.m.StartProc(0, 1, command0("silent"))
	r.m.StopProc(0, 1)
	require.NoError(t, wait[Down](r).Err)
}
