package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPurityCatches(t *testing.T) {
	const pkg = "package x\n"
	for _, c := range []struct{ name, path, src, want string }{
		{"clock", "core/x.go", `import "time"; var t = time.Now()`, "time.Now"},
		{"clock, not called", "overlay/roster/x.go", `import "time"; var now = time.Now`, "time.Now"},
		{"clock, renamed", "overlay/x.go", `import clock "time"; func f() { clock.Sleep(1) }`, "time.Sleep"},
		{"timer", "work/x.go", `import "time"; type m struct { t *time.Timer }`, "time.Timer"},
		{"dot import", "work/x.go", `import . "time"; var t = Now()`, `as "."`},
		{"global chance", "work/x.go", `import "math/rand/v2"; var n = rand.IntN(3)`, "global rand.IntN"},
		{"old chance", "work/x.go", `import "math/rand"; var n = rand.Int()`, "imports math/rand"},
		{"true chance", "work/x.go", `import "crypto/rand"; var r = rand.Reader`, "imports crypto/rand"},
		{"net", "wob/x.go", `import "net/http"; var c http.Client`, "imports net/http"},
		{"lock", "protocols/x.go", `import "sync/atomic"; var n atomic.Int64`, "imports sync/atomic"},
		{"log", "protocols/x.go", `import "log/slog"; var l slog.Logger`, "imports log/slog"},
		{"context", "wob/appapi/x.go", `import "context"; type c = context.Context`, "imports context"},
		{"other module", "overlay/x.go", `import "example.org/queue"; var q queue.Q`, "imports example.org/queue"},
		{"binding", "overlay/x.go", `import "` + Module + `/protocols/stream"; var s stream.S`, "protocols/stream, which is not"},
		{"goroutine", "overlay/x.go", `func f() { go f() }`, "goroutine"},
		{"channel", "overlay/x.go", `type m struct { c chan int }`, "channel"},
		{"output", "overlay/x.go", `import "fmt"; func f() { fmt.Println() }`, "fmt.Println"},
		{"excused elsewhere", "protocols/frame.go", `import "github.com/klauspost/compress/zstd"; var w zstd.Encoder`, "imports github.com/klauspost"},
		{"excused for something else", "protocols/codec.go", `import "sync"; var p sync.Pool`, "imports sync"},
		{"builtin output", "overlay/x.go", `func f() { println() }`, "println"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := Purity(source(t, c.path, pkg+c.src))
			require.Len(t, bad, 1)
			require.Contains(t, bad[0], c.want)
		})
	}
}

func TestPurityAllows(t *testing.T) {
	for path, src := range map[string]string{
		"core/x.go": `import "time"; var d time.Duration = 3 * time.Second`,
		"work/x.go": `import "math/rand/v2"; func f(r *rand.Rand) int { return r.IntN(3) }
			var seeded = rand.New(rand.NewPCG(1, 2))`,
		"overlay/x.go":          `import ("encoding/json"; "fmt"; "slices"; "` + Module + `/wob"); var s = fmt.Sprint(json.Valid, slices.Max[[]int], wob.Created)`,
		"overlay/x_test.go":     `import ("os"; "time"); var t, e = time.Now(), os.Args`,
		"protocols/gen/x.go":    `import "os"; var e = os.Args`,
		"protocols/stream/x.go": `import "context"; type c = context.Context`,
		"node/x.go":             `import "time"; var t = time.Now()`,
		"protocols/codec.go":    `import "github.com/klauspost/compress/zlib"; var free chan *zlib.Writer`,
		"workshop/x.go":         `import "time"; var t = time.Now()`,
	} {
		require.Empty(t, Purity(source(t, path, "package x\n"+src)), path)
	}
}
