package app

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzHear gives a process any two lines of an application: it must neither panic nor answer more
// than it was asked, nor take what is no message for one.
func FuzzHear(f *testing.F) {
	start := `{"jsonrpc":"2.0","id":"s","method":"Start","params":{"protocol":1}}`
	for _, line := range []string{"", "hello", "{", "{}", `{"jsonrpc":"2.0"}`, start, `{"jsonrpc":"2.0","id":1,"method":"WOBQuery"}`,
		`{"jsonrpc":"2.0","id":1,"result":null}`, `{"jsonrpc":"2.0","id":1,"error":3}`, `{"jsonrpc":"2.0","id":null,"method":"Start"}`,
		`{"jsonrpc":"2.0","method":"Progress","params":[]}`, `{"jsonrpc":"2.0","id":2,"error":{"code":1e9}}`} {
		f.Add([]byte(start), []byte(line))
		f.Add([]byte(line), []byte(start))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		events := map[string]int{}
		m := NewManager(Config{}, func(e Event) {
			switch e.(type) {
			case Up:
				events["up"]++
			case Reply:
				events["reply"]++
			}
		})
		p := &process{m: m, log: slog.New(slog.DiscardHandler), open: map[string]bool{}, in: make(chan any, 1)}
		p.out, err = newAppLog("")
		require.NoError(t, err)
		p.child = &child{stdin: newStdin(w), lifeline: w}
		p.inflight, p.compute = &call{id: 1, method: "OnCheckpoint"}, &call{id: 2, method: "OnCompute"}
		p.hear(heard{first})
		p.hear(heard{second})
		require.LessOrEqual(t, events["up"], 1)
		require.LessOrEqual(t, events["reply"], 2)
		require.LessOrEqual(t, len(p.child.stdin.lines), 2)
		p.child.kill()
	})
}

func TestNotesAreLimited(t *testing.T) {
	var b bucket
	now := time.Now()
	passed := 0
	for range 10_000 { // ten seconds of a thousand a second
		if b.take(now) {
			passed++
		}
		now = now.Add(time.Millisecond)
	}
	require.InDelta(t, noteBurst+10*noteRate, passed, 2)
}
