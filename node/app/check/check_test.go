package check

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wobcompute/wobcompute/examples/nqueens/queens"
	"github.com/wobcompute/wobcompute/examples/primes/sieve"
	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/wob"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the shim and the applications too. They end by syscall.Exit:
// under the race detector os.Exit waits a second.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case app.ShimArg:
			syscall.Exit(app.ShimMain())
		case "broken":
			syscall.Exit(brokenMain(os.Args[2]))
		case "example":
			syscall.Exit(map[string]func() int{"primes": sieve.Main, "nqueens": queens.Main}[os.Args[2]]())
		}
	}
	goleak.VerifyTestMain(m)
}

func options(t *testing.T, args ...string) Options {
	exe, err := os.Executable()
	require.NoError(t, err)
	return Options{Dir: t.TempDir(), Command: append([]string{exe}, args...), Seed: 7}
}

func step(t *testing.T, r Report, name string) Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	require.FailNow(t, "no such step", "%s in\n%s", name, r)
	return Step{}
}

// build makes an example's package as its author would: the program beside app.json.
func build(t testing.TB, name string) (dir string) {
	dir = t.TempDir()
	const module = "github.com/wobcompute/wobcompute/examples/"
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), module+name).CombinedOutput()
	require.NoError(t, err, string(out))
	manifest, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", name, "app.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.json"), manifest, 0o600))
	return dir
}

func TestExamplesPass(t *testing.T) {
	for name, want := range map[string]wob.Raw{"primes": "234954223", "nqueens": "2279184"} {
		t.Run(name, func(t *testing.T) {
			r, err := Run(context.Background(), Options{Dir: build(t, name), Seed: 7})
			require.NoError(t, err)
			t.Log("\n" + r.String())
			require.True(t, r.OK, r.String())
			require.Equal(t, want, r.Result)
			require.Equal(t, name, r.App)
			require.Equal(t, OK, step(t, r, "split and merge").Outcome, r.String())
			require.Equal(t, OK, step(t, r, "part given back").Outcome, r.String())
			require.Positive(t, r.Speed)
		})
	}
}

// Every mistake is named where it shows, with what the protocol asks for.
func TestBrokenApplicationsAreCaught(t *testing.T) {
	for _, c := range []struct {
		mistake, step, want string
		outcome             Outcome
	}{
		{"none", "split and merge", "same result", OK},
		{"silent checkpoint", "suspend and resume", "did not answer OnCheckpoint within 1 s", Failed},
		{"deaf to Suspend", "suspend and resume", "did not answer OnCompute within 1 s of Suspend", Failed},
		{"forgets at resume", "suspend and resume", "OnWOBInit goes on from the checkpoint if there is one", Failed},
		{"loses result at resume", "suspend and resume", "checkpoint and result together must hold all that was computed", Failed},
		{"merges twice", "split and merge", "some work was counted twice or not at all", Failed},
		{"drops results", "split and merge", "some work was counted twice or not at all", Failed},
		{"gives but keeps", "offer", "the part leaves this WOB in the instant of OnWOBOfferAck", Failed},
		{"gives too much", "offer", "gave away more than it had", Failed},
		{"offers twice", "offer", "one offer is open at a time", Failed},
		{"takes any ack", "offer", "OnWOBOfferAck with an offer that is not open was not answered with error -32000", Failed},
		{"loses the returned", "part given back", "the whole part is this WOB's again", Failed},
		{"prints", "standard output", "better print to standard error", Warning},
		{"exits early", "compute", "ended by itself while OnCompute was open: exit status 0. A process of the application serves until", Failed},
		{"no result", "compute", `its "result" is the WOB's final result then`, Failed},
		{"stays after the end", "compute", "end of file there means exit", Failed},
		{"never offers", "offer", "That is allowed", Skipped},
		{"no splitter", "offer", "does not implement OnWOBRequest", Skipped},
		{"answers anything", "unknown messages", "an unknown method was answered with a result", Failed},
	} {
		o := options(t, "broken", c.mistake)
		o.Boundary = `{"lo":0,"hi":400}`
		o.Deadlines = map[string]time.Duration{"OnCheckpoint": time.Second, "Suspend": time.Second}
		type outcome struct {
			r   Report
			err error
		}
		// These applications sleep rather than compute, so all are checked at once.
		got := make(chan outcome, 1)
		go func() {
			r, err := Run(context.Background(), o)
			got <- outcome{r, err}
		}()
		t.Run(c.mistake, func(t *testing.T) {
			t.Parallel()
			g := <-got
			require.NoError(t, g.err)
			s := step(t, g.r, c.step)
			require.Contains(t, s.Text, c.want, g.r.String())
			require.Equal(t, c.outcome, s.Outcome, g.r.String())
			require.Equal(t, c.outcome != Failed, g.r.OK, g.r.String())
		})
	}
}

func TestBench(t *testing.T) {
	o := options(t, "example", "primes")
	o.Boundary, o.Bench = `{"limit":1e8}`, true
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	o.Boundary = `{"limit":100000000}`
	r, err := Run(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, wob.Raw("5761455"), r.Result)
	require.Len(t, r.Steps, 1)
	require.InEpsilon(t, 1e8/r.Seconds, r.Speed, 1e-6)
}

func TestManifest(t *testing.T) {
	o := options(t)
	exe := o.Command[0]
	o.Command = nil
	_, err := Run(context.Background(), o)
	require.ErrorIs(t, err, ErrNoCommand)

	write := func(m map[string]any) {
		b, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "app.json"), b, 0o600))
	}
	m := map[string]any{"name": "primes", "version": "1.0.0", "run": []string{exe, "example", "primes"}, "timeout": "1m", "params": map[string]int{"segment": 65536}}
	write(m)
	_, err = Run(context.Background(), o)
	require.ErrorIs(t, err, ErrNoBoundary)
	o.Boundary = "{"
	_, err = Run(context.Background(), o)
	require.ErrorContains(t, err, "is not JSON")
	o.Boundary, o.Bench = "", true
	m["example"] = map[string]int{"limit": 1000}
	write(m)
	r, err := Run(context.Background(), o)
	require.NoError(t, err)
	require.Equal(t, wob.Raw("168"), r.Result)
	m["version"] = "2.0.0"
	write(m)
	r, err = Run(context.Background(), o)
	require.NoError(t, err)
	require.False(t, r.OK)
	require.Contains(t, r.String(), `calls itself version "1.0.0" in Start, its package "2.0.0"`)
	m["timeout"] = "soon"
	write(m)
	_, err = Run(context.Background(), o)
	require.ErrorContains(t, err, "timeout")
}

func TestNotAnApplication(t *testing.T) {
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	r, err := Run(context.Background(), Options{Dir: t.TempDir(), Command: []string{sh, "-c", "echo hello; exit 0"}, Boundary: "{}"})
	require.NoError(t, err)
	require.False(t, r.OK)
	require.Contains(t, r.String(), "ended by itself before it called Start: exit status 0")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	o := options(t, "example", "nqueens")
	o.Boundary = `{"n":20}`
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b wob.Raw
		want bool
	}{
		{"1", "1", true}, {"1", "2", false}, {"9007199254740993", "9007199254740992", false},
		{"0.1", "0.10000000000000001", true}, {"1.5", "1.6", false}, {"1e3", "1000", true}, {"", "null", true}, {"null", "0", false},
		{`{"a":[1,2],"b":null}`, `{"b":null,"a":[1,2]}`, true}, {`{"a":[1,2]}`, `{"a":[2,1]}`, false}, {`{"a":1}`, `{"b":1}`, false},
		{`[1]`, `[1,2]`, false}, {`"x"`, `"x"`, true}, {`{`, `{`, false},
	} {
		require.Equal(t, c.want, same(c.a, c.b), "%s %s", c.a, c.b)
	}
}
