package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wobcompute/wobcompute/wob/appapi"
)

func TestEveryMethodIsSentAndAnswered(t *testing.T) {
	r := newRig(t, nil)
	up := r.start()
	require.Equal(t, appapi.StartParams{Protocol: 1, App: "test", Version: "1.0.0", Threads: 1, Finish: "checkpoint"}, up.Start)
	require.Equal(t, 0, up.Proc)
	require.Equal(t, uint64(1), up.Gen)
	// The application reports the answer to its Start as a Progress note.
	note := wait[Note](r)
	require.Contains(t, string(note.Params), `{\"slot\":0,\"project\":\"p\",\"params\":{\"a\":1}}`)

	for i, method := range []string{
		appapi.OnWOBInit, appapi.OnCheckpoint, appapi.OnWOBRequest, appapi.OnWOBOfferAck, appapi.OnWOBChildReturn,
		appapi.OnWOBChildLost, appapi.OnWOBChildFinished, appapi.OnAppExit,
	} {
		got := r.call(uint64(i+10), method, map[string]string{"x": "<&>"})
		require.JSONEq(t, `{"method":"`+method+`","echo":{"x":"<&>"}}`, string(got))
	}
	require.JSONEq(t, `{"method":"OnAppExit","echo":{}}`, string(r.call(5, appapi.OnAppExit, nil)))

	r.m.Call(0, 1, 6, "fail", nil)
	require.Equal(t, &RPCError{Code: appapi.CodeUnknownMethod, Message: "unknown method"}, wait[Reply](r).Err)

	r.m.StopProc(0, 1)
	require.Equal(t, Down{Proc: 0, Gen: 1}, wait[Down](r))
}

func TestOnlyOnComputeStaysOpen(t *testing.T) {
	r := newRig(t, nil)
	r.start("late=OnCheckpoint")
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnCompute, nil)
	r.m.Call(0, 1, 2, appapi.OnCheckpoint, nil)
	r.m.Call(0, 1, 3, appapi.OnWOBRequest, nil)
	r.m.Notify(0, 1, appapi.Suspend, nil)
	r.m.Call(0, 1, 4, appapi.OnCompute, nil) // waits for the first one's answer
	r.m.Call(0, 1, 5, appapi.OnCheckpoint, nil)
	var order []uint64
	for range 4 {
		order = append(order, wait[Reply](r).Call)
	}
	// Suspend is not an answer's turn: it goes out behind the request it follows, and the
	// application answers OnCompute when it reads it.
	require.Equal(t, []uint64{2, 3, 1, 5}, order)
	r.m.Notify(0, 1, appapi.Suspend, nil)
	rep := wait[Reply](r)
	require.Equal(t, uint64(4), rep.Call)
	require.JSONEq(t, `{"done":false}`, string(rep.Result))
}

func TestApplicationsOwnCalls(t *testing.T) {
	r := newRig(t, nil)
	r.start()
	wait[Note](r)
	for i, method := range []string{appapi.WOBFinished, appapi.WOBQuery, appapi.WOBLocQuery, appapi.WOBMsg, appapi.WOBReqBackup} {
		id := []string{`1`, `"b"`, `-3`, `"\u00e9"`, `9007199254740993`}[i]
		r.say(`{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{"n":1}}`)
		req := wait[Request](r)
		require.Equal(t, method, req.Method)
		require.Equal(t, id, string(req.ID))
		require.JSONEq(t, `{"n":1}`, string(req.Params))
		if i%2 == 0 {
			r.m.Answer(0, 1, req.ID, map[string]int{"ok": i}, nil)
			require.Contains(t, string(wait[Note](r).Params), `\"result\":{\"ok\"`)
		} else {
			r.m.Answer(0, 1, req.ID, nil, &RPCError{Code: appapi.CodeUnknownWOB, Message: "unknown"})
			require.Contains(t, string(wait[Note](r).Params), `-32004`)
		}
		r.m.Answer(0, 1, req.ID, nil, nil) // a second answer is not sent
	}
	for _, c := range []struct {
		line string
		code string
	}{
		{`{"jsonrpc":"2.0","id":7,"method":"Nonsense"}`, "-32601"},
		{`{"jsonrpc":"2.0","id":8,"method":"Start","params":{"protocol":1}}`, "-32600"},
		{`{"jsonrpc":"2.0","id":{"a":1},"method":"WOBQuery"}`, "-32600"},
		{`{"jsonrpc":"2.0","id":1.5,"method":"WOBQuery"}`, "-32600"},
	} {
		r.say(c.line)
		require.Contains(t, string(wait[Note](r).Params), c.code, c.line)
	}
	r.say(`{"jsonrpc":"2.0","method":"NotifyWorkloadAvailable"}`)
	require.Equal(t, appapi.NotifyWorkloadAvailable, wait[Note](r).Method)
}

func TestTooManyOpenCallsAreRefused(t *testing.T) {
	r := newRig(t, nil)
	r.start()
	wait[Note](r)
	for i := range maxOpen {
		r.say(`{"jsonrpc":"2.0","id":` + jsonOf(i) + `,"method":"WOBQuery"}`)
		wait[Request](r)
	}
	r.say(`{"jsonrpc":"2.0","id":"more","method":"WOBQuery"}`)
	require.Contains(t, string(wait[Note](r).Params), "more than 256 calls are open")
	r.say(`{"jsonrpc":"2.0","id":5,"method":"WOBQuery"}`)
	require.Contains(t, string(wait[Note](r).Params), "a call with this id is open")
}

func TestJunkGoesToTheLog(t *testing.T) {
	r := newRig(t, nil)
	logFile := filepath.Join(t.TempDir(), "app.log")
	c := command0()
	c.LogFile = logFile
	r.m.StartProc(0, 1, c)
	wait[Up](r)
	wait[Note](r)
	junk := []string{"hello", "", "[1,2]", "{", "{}", `{"a":1}`, `{"jsonrpc":"1.0","id":1,"method":"WOBQuery"}`,
		`{"jsonrpc":"2.0"}`, `{"jsonrpc":"2.0","id":99,"result":{}}`, `{"jsonrpc":"2.0","id":[],"result":{}}`,
		"\xff\xfe", `{"jsonrpc":"2.0","method":"Strange"}`, `  {"jsonrpc":"2.0","id":1,"method":"WOBQuery"}`}
	for _, s := range junk {
		r.say(s)
	}
	r.call(1, appapi.OnCheckpoint, nil) // alive and well
	r.m.StopProc(0, 1)
	down := wait[Down](r)
	require.NoError(t, down.Err)
	require.Equal(t, 9, down.Junk)
	require.Contains(t, down.Log, "hello\n")
	require.Contains(t, down.Log, `{"a":1}`)
	kept, err := os.ReadFile(logFile)
	require.NoError(t, err)
	require.Contains(t, string(kept), "hello\n\n[1,2]\n{\n{}\n")
}

func TestEnvironment(t *testing.T) {
	r := newRig(t, nil)
	out := filepath.Join(t.TempDir(), "env")
	pkg := t.TempDir()
	script := "env > " + out + "; pwd >> " + out + "; touch $HOME/left; stat -c %a $HOME >> " + out + "; exit 0\n"
	require.NoError(t, os.WriteFile(filepath.Join(pkg, "run.sh"), []byte("#!/bin/sh\n"+script), 0o755))
	for gen := range uint64(2) {
		r.m.StartProc(3, gen+1, Command{Dir: pkg, Run: []string{"./run.sh"}})
		wait[Down](r)
	}
	b, err := os.ReadFile(out)
	require.NoError(t, err)
	home := filepath.Join(r.m.cfg.ScratchRoot, "proc-3")
	real, err := filepath.EvalSymlinks(pkg)
	require.NoError(t, err)
	want := map[string]bool{"PATH=" + os.Getenv("PATH"): true, "LANG=C.UTF-8": true, "HOME=" + home: true,
		"TMPDIR=" + home: true, "WOB_APP_PROTOCOL=1": true, real: true, "700": true}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "PWD=") || strings.HasPrefix(line, "_=") || strings.HasPrefix(line, "SHLVL=") || strings.HasPrefix(line, "OLDPWD=") {
			continue // the shell's own
		}
		require.True(t, want[line], line)
		delete(want, line)
	}
	require.Empty(t, want)
	require.NoDirExists(t, home)
}

func TestGenerations(t *testing.T) {
	r := newRig(t, nil)
	tell := filepath.Join(t.TempDir(), "pids")
	r.m.StartProc(0, 1, command0("tell="+tell))
	wait[Up](r)
	wait[Note](r)
	r.m.Call(0, 2, 9, appapi.OnCheckpoint, nil) // no such generation
	r.m.Kill(0, 7)
	r.m.Kill(1, 1)
	r.m.StartProc(0, 1, command0()) // not newer
	r.call(1, appapi.OnCheckpoint, nil)
	old := pids(t, tell)
	r.m.StartProc(0, 2, command0())
	r.m.Call(0, 1, 2, appapi.OnCheckpoint, nil) // overtaken
	down := wait[Down](r)
	require.Equal(t, uint64(1), down.Gen)
	require.ErrorIs(t, down.Err, ErrKilled)
	require.False(t, alive(old[0]))
	require.Equal(t, uint64(2), wait[Up](r).Gen)
	wait[Note](r)
	r.m.Kill(0, 2)
	require.Equal(t, uint64(2), wait[Down](r).Gen)
}

func TestCallsBeforeStartWait(t *testing.T) {
	r := newRig(t, nil)
	r.m.StartProc(0, 1, command0())
	r.m.Call(0, 1, 1, appapi.OnWOBInit, nil)
	r.m.Call(0, 1, 2, appapi.OnCheckpoint, nil)
	wait[Up](r)
	wait[Note](r)
	require.Equal(t, uint64(1), wait[Reply](r).Call)
	require.Equal(t, uint64(2), wait[Reply](r).Call)
}

func TestUnsendableParameters(t *testing.T) {
	r := newRig(t, nil)
	r.start()
	wait[Note](r)
	r.m.Call(0, 1, 1, appapi.OnWOBInit, strings.Repeat("x", appapi.MaxLine))
	rep := wait[Reply](r)
	require.Equal(t, appapi.CodeInvalidParams, rep.Err.Code)
	require.Contains(t, rep.Err.Message, "16 MiB")
	r.m.Call(0, 1, 2, appapi.OnWOBInit, func() {})
	require.Equal(t, appapi.CodeInvalidParams, wait[Reply](r).Err.Code)
	r.call(3, appapi.OnCheckpoint, map[string]string{"big": strings.Repeat("x", 8<<20)})
}

func TestCloseEndsEverything(t *testing.T) {
	r := newRig(t, nil)
	r.start()
	wait[Note](r)
	r.m.StartProc(1, 1, command0("silent"))
	r.m.Close()
	for range 2 {
		require.ErrorIs(t, wait[Down](r).Err, ErrKilled)
	}
	r.m.StartProc(2, 1, command0())
	r.m.Call(0, 1, 1, appapi.OnCheckpoint, nil)
	require.Empty(t, r.events)
}

func BenchmarkRoundTrip(b *testing.B) {
	events := make(chan Event, 16)
	m := NewManager(Config{ScratchRoot: b.TempDir()}, func(e Event) { events <- e })
	defer m.Close()
	m.StartProc(0, 1, command0())
	<-events // Up
	<-events // the note
	start := time.Now()
	n := 0
	for b.Loop() {
		m.Call(0, 1, 1, appapi.OnCheckpoint, nil)
		<-events
		n++
	}
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "calls/s")
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
