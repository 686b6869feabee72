package sdk

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// middleware is the other end of an application's pipes.
type middleware struct {
	t    *testing.T
	out  io.WriteCloser
	in   *bufio.Scanner
	done chan error // what Run returned
}

// begin runs an application and answers its Start.
func begin(t *testing.T, app App, opts ...Option) *middleware {
	t.Helper()
	toApp, out := io.Pipe()
	in, fromApp := io.Pipe()
	m := &middleware{t: t, out: out, in: bufio.NewScanner(in), done: make(chan error, 1)}
	go func() { m.done <- Run(app, append(opts, Name("a", "1"), Pipes(toApp, fromApp))...) }()
	require.JSONEq(t, `{"jsonrpc":"2.0","id":1,"method":"Start","params":{"protocol":1,"app":"a","version":"1","sdk":"go","threads":1,"finish":"checkpoint"}}`, m.read())
	m.write(`{"jsonrpc":"2.0","id":1,"result":{"slot":3,"project":"p","params":{"x":"y"}}}`)
	return m
}

func (m *middleware) read() string {
	m.t.Helper()
	require.True(m.t, m.in.Scan())
	return m.in.Text()
}

func (m *middleware) write(line string) {
	m.t.Helper()
	_, err := io.WriteString(m.out, line+"\n")
	require.NoError(m.t, err)
}

// ask sends a request and expects the answer's rest after the id.
func (m *middleware) ask(method, params, want string) {
	m.t.Helper()
	m.write(`{"jsonrpc":"2.0","id":"q","method":"` + method + `","params":` + params + `}`)
	require.JSONEq(m.t, `{"jsonrpc":"2.0","id":"q",`+want+`}`, m.read())
}

func (m *middleware) end() {
	m.t.Helper()
	require.NoError(m.t, m.out.Close())
	require.NoError(m.t, <-m.done)
}

// plain is an application that computes until it is told to stop.
type plain struct {
	node   *Node
	inside atomic.Bool // it computes
	// overlap tells that a callback ran meanwhile.
	overlap atomic.Bool
	compute func(n *Node) (bool, error)
	asked   []ID
}

func (p *plain) OnStart(n *Node) error { p.node = n; return nil }

func (p *plain) OnWOBInit(w *WOB) error {
	if w.Boundary == `"bad"` {
		return errors.New("a bad boundary")
	}
	return nil
}

func (p *plain) OnCompute(n *Node) (bool, error) { return p.compute(n) }

func (p *plain) OnCheckpoint() (Packed, error) {
	if p.inside.Load() {
		p.overlap.Store(true)
	}
	return Packed{Checkpoint: `[1]`, Effort: Effort{Total: 2, Remaining: 1}}, nil
}

func (p *plain) OnWOBMsg(from ID, _ Raw) { p.asked = append(p.asked, from) }

// spin computes until suspended; inside is set whenever no callback may run.
func (p *plain) spin(n *Node) (bool, error) {
	for n.CanCompute() {
		p.inside.Store(true)
		for end := time.Now().Add(20 * time.Microsecond); time.Now().Before(end); {
		}
		p.inside.Store(false)
	}
	return false, nil
}

const packedAnswer = `"result":{"checkpoint":[1],"result":null,"effort":{"total":2,"remaining":1},"meta":null}`

func TestCallbacks(t *testing.T) {
	p := &plain{}
	p.compute = p.spin
	m := begin(t, p)
	m.ask("OnWOBInit", `{"wob":{"id":"w","boundary":{"n":1},"later":1},"later":1}`, `"result":{}`)
	m.ask("OnWOBInit", `{"wob":{"boundary":"bad"}}`, `"error":{"code":-32603,"message":"a bad boundary"}`)
	m.ask("OnWOBInit", `[]`, `"error":{"code":-32602,"message":"json: cannot unmarshal array into Go value of type appapi.WOBParams"}`)
	m.ask("OnCheckpoint", `{}`, packedAnswer)
	m.ask("OnAppExit", `{}`, packedAnswer) // by OnCheckpoint
	for _, method := range []string{"OnWOBRequest", "OnWOBOfferAck", "OnWOBChildReturn", "OnWOBChildFinished", "OnWOBChildLost", "Strange"} {
		m.ask(method, `{}`, `"error":{"code":-32601,"message":"method \"`+method+`\" is not implemented by this application"}`)
	}
	m.write(`this is not JSON`)
	require.Contains(t, m.read(), `"id":null,"error":{"code":-32700`)
	m.write(`{"jsonrpc":"2.0","id":77,"result":{}}`) // to nobody
	m.write(`{"jsonrpc":"2.0","method":"Strange"}`)
	m.write(``)
	m.write(`{"jsonrpc":"2.0","method":"OnWOBMsg","params":{"from":"f","data":1}}`)
	m.ask("OnCheckpoint", `{}`, packedAnswer)
	m.end()
	require.Equal(t, []ID{"f"}, p.asked)
	require.Equal(t, `{"x":"y"}`, string(p.node.Params()))
	require.Equal(t, 3, p.node.Slot())
	require.Equal(t, "p", p.node.Project())
}

// A single-threaded application is never entered while it computes, except inside CanCompute.
func TestCallbacksRunInsideCanCompute(t *testing.T) {
	p := &plain{}
	p.compute = p.spin
	m := begin(t, p)
	for range 3 {
		m.write(`{"jsonrpc":"2.0","id":9,"method":"OnCompute","params":{}}`)
		for range 50 {
			m.ask("OnCheckpoint", `{}`, packedAnswer)
		}
		m.ask("OnCompute", `{}`, `"error":{"code":-32600,"message":"OnCompute is open"}`)
		m.write(`{"jsonrpc":"2.0","method":"Suspend"}`)
		require.JSONEq(t, `{"jsonrpc":"2.0","id":9,"result":{"done":false}}`, m.read())
		m.ask("OnCheckpoint", `{}`, packedAnswer)
	}
	m.end()
	require.False(t, p.overlap.Load())
}

// While the application waits for an answer of its own, callbacks with deadlines are served.
func TestOwnCalls(t *testing.T) {
	p := &plain{}
	p.compute = func(n *Node) (bool, error) {
		loc, err := n.WOBLocQuery("w")
		if err != nil || loc.Epoch != 4 {
			return false, err
		}
		if _, _, err = n.WOBQuery("w"); !errors.Is(err, ErrUnknownWOB) {
			return false, err
		}
		if err = n.WOBMsg("w", `{"hi":"<&>"}`); !errors.Is(err, ErrUndeliverable) {
			return false, err
		}
		if _, err = n.WOBReqBackup("w"); !errors.Is(err, ErrUnanswered) {
			return false, err
		}
		if err = n.WOBFinished("7"); !errors.Is(err, ErrChildOut) {
			return false, err
		}
		if err = n.Progress(Effort{Total: 2, Remaining: 1}, "half"); err != nil {
			return false, err
		}
		return true, n.NotifyWorkloadAvailable()
	}
	m := begin(t, p)
	m.write(`{"jsonrpc":"2.0","id":9,"method":"OnCompute","params":{}}`)
	require.JSONEq(t, `{"jsonrpc":"2.0","id":2,"method":"WOBLocQuery","params":{"id":"w"}}`, m.read())
	m.ask("OnCheckpoint", `{}`, packedAnswer)
	m.write(`{"jsonrpc":"2.0","id":2,"result":{"location":{"epoch":4}}}`)
	for i, c := range []struct{ method, params, code string }{
		{"WOBQuery", `{"id":"w"}`, "-32004"}, {"WOBMsg", `{"to":"w","data":{"hi":"<&>"}}`, "-32010"},
		{"WOBReqBackup", `{"id":"w"}`, "-32005"}, {"WOBFinished", `{"result":7}`, "-32020"},
	} {
		id := string(rune('3' + i))
		require.JSONEq(t, `{"jsonrpc":"2.0","id":`+id+`,"method":"`+c.method+`","params":`+c.params+`}`, m.read())
		m.write(`{"jsonrpc":"2.0","id":` + id + `,"error":{"code":` + c.code + `,"message":"x"}}`)
	}
	require.JSONEq(t, `{"jsonrpc":"2.0","method":"Progress","params":{"effort":{"total":2,"remaining":1},"text":"half"}}`, m.read())
	require.JSONEq(t, `{"jsonrpc":"2.0","method":"NotifyWorkloadAvailable","params":{}}`, m.read())
	require.JSONEq(t, `{"jsonrpc":"2.0","id":9,"result":{"done":true}}`, m.read())
	m.end()
}

func TestEndOfInputFailsOpenCalls(t *testing.T) {
	p := &plain{}
	failed := make(chan error, 1)
	p.compute = func(n *Node) (bool, error) {
		_, err := n.WOBLocQuery("w")
		failed <- err
		return false, err
	}
	m := begin(t, p)
	m.write(`{"jsonrpc":"2.0","id":9,"method":"OnCompute","params":{}}`)
	m.read()
	require.NoError(t, m.out.Close())
	require.ErrorIs(t, <-failed, ErrClosed)
	require.Contains(t, m.read(), ErrClosed.Error())
	require.NoError(t, <-m.done)
}

func TestRefusedStart(t *testing.T) {
	in, fromApp := io.Pipe()
	toApp, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Run(&plain{}, Pipes(toApp, fromApp)) }()
	sc := bufio.NewScanner(in)
	require.True(t, sc.Scan())
	_, err := io.WriteString(out, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}`+"\n")
	require.NoError(t, err)
	require.ErrorContains(t, <-done, "Start: no")
	require.NoError(t, out.Close())
}

func TestRunByHand(t *testing.T) {
	require.NoError(t, os.Unsetenv("WOB_APP_PROTOCOL"))
	require.ErrorContains(t, Run(&plain{}), "wob app check")
}

func TestTooLongAnswerIsAnError(t *testing.T) {
	m := begin(t, &huge{})
	m.write(`{"jsonrpc":"2.0","id":5,"method":"OnCheckpoint"}`)
	var r message
	require.NoError(t, json.Unmarshal([]byte(m.read()), &r))
	require.Equal(t, "5", string(r.ID))
	require.ErrorContains(t, r.Error, "large data is to be kept elsewhere")
	m.end()
}

type huge struct{ plain }

func (*huge) OnCheckpoint() (Packed, error) {
	b := make([]byte, 17<<20)
	for i := range b {
		b[i] = 'x'
	}
	b[0], b[len(b)-1] = '"', '"'
	return Packed{Checkpoint: Raw(b)}, nil
}
