package protocols

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/wob"
)

// payload strips the length, which must be right.
func payload(t testing.TB, p Packed) []byte {
	t.Helper()
	n, used := binary.Uvarint(p.Bytes)
	require.Equal(t, len(p.Bytes), used+int(n))
	return p.Bytes[used:]
}

func TestEveryKindRoundTrips(t *testing.T) {
	for _, d := range Catalogue() {
		t.Run(string(d.Kind), func(t *testing.T) {
			for seed := range uint64(30) {
				s := sampler{rand.New(rand.NewPCG(seed, 1)), seed == 0}
				want, env := s.body(d), s.envelope()
				require.NoError(t, want.Validate())
				for _, c := range []Codec{CodecNone, CodecZlib, CodecZstd} {
					p, err := Encode(env, want, c)
					require.NoError(t, err)
					got, body, err := Decode(payload(t, p), MaxStreamFrame)
					require.NoError(t, err)
					require.Equal(t, text(want), text(body))
					env.Type, env.Data = d.Kind, got.Data
					require.Equal(t, env, got)
					require.IsType(t, want, body)
				}
			}
		})
	}
}

func TestCompressionHelpsOrIsLeftOut(t *testing.T) {
	s := sampler{rand.New(rand.NewPCG(1, 2)), true}
	w := s.wob()
	w.Checkpoint = wob.Raw(`"` + strings.Repeat("0123456789", 5000) + `"`)
	for _, c := range []Codec{CodecZlib, CodecZstd} {
		p, err := Encode(s.envelope(), Transfer{WOB: w}, c)
		require.NoError(t, err)
		require.Less(t, 2*len(p.Bytes), p.Plain)
		require.Equal(t, byte(c), payload(t, p)[0])

		p, err = Encode(s.envelope(), Notify{WOB: w.ID}, c)
		require.NoError(t, err)
		require.Zero(t, payload(t, p)[0], "a short message is not worth it")
	}
}

func TestEnvelopeIsReadAlone(t *testing.T) {
	s := sampler{rand.New(rand.NewPCG(1, 3)), true}
	p, err := Encode(s.envelope(), Finished{WOB: s.wob()}, CodecZstd)
	require.NoError(t, err)
	b := payload(t, p)
	n, used := binary.Uvarint(b[1:])
	for i := 1 + used + int(n); i < len(b); i++ {
		b[i] = 0xff
	}
	env, err := ReadEnvelope(b)
	require.NoError(t, err)
	require.Equal(t, Kind("WOB_FINISHED"), env.Type)
	_, _, err = Decode(b, MaxStreamFrame)
	require.Error(t, err)
}

// rawPayload builds a payload by hand, without any of Encode's checks.
func rawPayload(t testing.TB, kind Kind, sections ...string) []byte {
	t.Helper()
	e := sampler{rand.New(rand.NewPCG(1, 4)), true}.envelope()
	e.Type = kind
	head, err := encodeEnvelope(&e)
	require.NoError(t, err)
	b := appendSection([]byte{0}, head)
	for _, s := range sections {
		b = appendSection(b, []byte(s))
	}
	return b
}

func TestHostileFrames(t *testing.T) {
	const id = "00000000-0000-4000-8000-000000000001"
	deep := strings.Repeat("[", 80) + strings.Repeat("]", 80)
	notify := func(data ...string) []byte { return rawPayload(t, "CL_NOTIFY", data...) }
	good := `{"wob":"` + id + `"}`
	_, _, err := Decode(notify(good), MaxLinkFrame)
	require.NoError(t, err)
	_, _, err = Decode(notify(`{"wob":"`+id+`","newer":{"a":[1,2]}}`), MaxLinkFrame)
	require.NoError(t, err, "fields of a newer version are ignored")

	for name, c := range map[string]struct {
		payload []byte
		section string
		want    error
	}{
		"empty":             {nil, "frame", ErrTruncated},
		"unknown flags":     {append([]byte{0x80}, notify(good)[1:]...), "frame", ErrCodec},
		"no envelope":       {[]byte{0}, "envelope", ErrTruncated},
		"envelope too long": {[]byte{0, 0xff, 0xff, 0xff, 0x7f}, "envelope", ErrTooLarge},
		"unknown kind":      {rawPayload(t, "CL_FUTURE", good), "envelope", ErrUnknownKind},
		"no data":           {notify(), "frame", ErrTruncated},
		"data is a list":    {notify(`[]`), "data", ErrSyntax},
		"data is null":      {notify(`null`), "data", ErrSyntax},
		"key twice":         {notify(`{"wob":"` + id + `","wob":"` + id + `"}`), "data", ErrKey},
		"key twice escaped": {notify(`{"wob":"` + id + `","\u0077ob":"` + id + `"}`), "data", ErrKey},
		"key in other case": {notify(`{"WOB":"` + id + `"}`), "data", ErrKey},
		"deep":              {notify(`{"wob":"` + id + `","x":` + deep + `}`), "data", ErrNesting},
		"trailing":          {notify(good + `{}`), "data", ErrTrailing},
		"section too many":  {notify(good, good), "frame", ErrTrailing},
		"not UTF-8":         {notify("{\"wob\":\"\xff\"}"), "data", ErrEncoding},
		"bad number":        {notify(`{"wob":"` + id + `","x":01}`), "data", ErrSyntax},
		"bad UUID":          {notify(`{"wob":"` + strings.ToUpper(id[:35]) + `A"}`), "data", ErrNotUUID},
		"too long":          {notify(`{"wob":"` + id + `"` + strings.Repeat(" ", 5000) + `}`), "frame", ErrTooLarge},
		"cut":               {notify(good)[:40], "envelope", ErrTruncated},
		"endless list":      {rawPayload(t, "CL_LOST", `{"entries":[`+strings.Repeat("{},", 20000)+`{}]}`), "data", ErrTooMany},
		"one WOB missing":   {rawPayload(t, "WOB_FINISHED", `{}`), "wob", ErrCarried},
		"no checkpoint":     {rawPayload(t, "WOB_FINISHED", `{}`, `{}`), "wob", ErrTruncated},
		"WOB is broken":     {rawPayload(t, "WOB_FINISHED", `{}`, `{"id":1}`, ``), "wob", wob.ErrType},
		"negative":          {rawPayload(t, "NODE_BEAT", `{"idle":-1}`), "data", ErrOutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			_, body, err := Decode(c.payload, MaxStreamFrame)
			require.Nil(t, body)
			require.ErrorIs(t, err, c.want)
			var de *DecodeError
			require.ErrorAs(t, err, &de)
			require.Equal(t, c.section, de.Section)
		})
	}
}

// bomb is a frame whose sections inflate to much more than they may have.
func bomb(t testing.TB, claim, real int, c Codec) []byte {
	t.Helper()
	b := rawPayload(t, "CL_NOTIFY")
	b[0] = byte(c)
	head := len(b)
	b, ok := deflate(b, make([]byte, real), c)
	require.True(t, ok)
	_, used := binary.Uvarint(b[head:])
	out := binary.AppendUvarint(bytes.Clone(b[:head]), uint64(claim))
	return append(out, b[head+used:]...)
}

func TestBombsAreNotInflated(t *testing.T) {
	for _, c := range []Codec{CodecZlib, CodecZstd} {
		t.Run(c.String(), func(t *testing.T) {
			honest, liar := bomb(t, 20<<20, 20<<20, c), bomb(t, 100, 20<<20, c)
			for range 2 { // the second time the free lists are filled
				_, _, err := Decode(honest, MaxStreamFrame)
				require.ErrorIs(t, err, ErrTooLarge)
				_, _, err = Decode(liar, MaxStreamFrame)
				require.ErrorIs(t, err, ErrTooLarge)
			}
			_, _, err := Decode(bomb(t, 3000, 2000, c), MaxStreamFrame)
			require.ErrorIs(t, err, ErrTruncated)
			_, err = PlainSize(bomb(t, 1<<40, 2000, c))
			require.ErrorIs(t, err, ErrTooLarge)
			for _, b := range [][]byte{honest, liar} {
				require.Less(t, allocated(func() { _, _, _ = Decode(b, MaxStreamFrame) }), uint64(256<<10))
			}
		})
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestEncodeRefusesWhatReceiversWould(t *testing.T) {
	s := sampler{rand.New(rand.NewPCG(1, 5)), true}
	big := s.wob()
	big.Checkpoint = wob.Raw(`"` + strings.Repeat("x", wob.MaxEncoded) + `"`)
	env := s.envelope()
	for name, c := range map[string]struct {
		env  Envelope
		body Body
		want error
	}{
		"field":       {env, Notify{WOB: "x"}, ErrNotUUID},
		"too large":   {env, AppMsg{From: wob.ID(s.uuid()), To: wob.ID(s.uuid()), Data: big.Checkpoint}, ErrTooLarge},
		"WOB":         {env, Transfer{WOB: big}, wob.ErrTooLarge},
		"no WOB":      {env, Transfer{}, ErrMissing},
		"envelope":    {Envelope{}, Resend{}, ErrMissing},
		"unknown":     {env, future{}, ErrUnknownKind},
		"not a value": {env, AppMsg{From: wob.ID(s.uuid()), To: wob.ID(s.uuid()), Data: `{"a":`}, wob.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Encode(c.env, c.body, CodecNone)
			require.ErrorIs(t, err, c.want)
			var de *DecodeError
			require.True(t, errors.As(err, &de))
		})
	}
}

type future struct{}

func (future) Kind() Kind      { return "CL_FUTURE" }
func (future) Validate() error { return nil }

func FuzzDecode(f *testing.F) {
	for i, d := range Catalogue() {
		s := sampler{rand.New(rand.NewPCG(uint64(i), 6)), true}
		p, err := Encode(s.envelope(), s.body(d), Codec(i%3))
		require.NoError(f, err)
		f.Add(payload(f, p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		env, body, err := Decode(b, MaxLinkFrame)
		if err != nil {
			var de *DecodeError
			require.ErrorAs(t, err, &de)
			require.Nil(t, body)
			return
		}
		p, err := Encode(env, body, CodecZlib)
		if errors.Is(err, ErrTooLarge) || errors.Is(err, wob.ErrTooLarge) {
			return // escapes may grow a body that was just within its limit
		}
		require.NoError(t, err)
		_, again, err := Decode(payload(t, p), MaxStreamFrame)
		require.NoError(t, err)
		require.Equal(t, text(body), text(again))
	})
}

func BenchmarkFrame(b *testing.B) {
	s := sampler{rand.New(rand.NewPCG(1, 7)), true}
	w := s.wob()
	w.Checkpoint = wob.Raw(`[` + strings.Repeat("123456789,", 9000) + `0]`)
	beat, _ := Lookup("NODE_BEAT")
	for name, body := range map[string]Body{"beat": s.body(beat), "transfer90K": Transfer{WOB: w}} {
		for _, c := range []Codec{CodecNone, CodecZlib, CodecZstd} {
			p, err := Encode(s.envelope(), body, c)
			require.NoError(b, err)
			env, in := s.envelope(), payload(b, p)
			b.Run(name+"/"+c.String()+"/encode", func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(p.Plain))
				for range b.N {
					_, _ = Encode(env, body, c)
				}
			})
			b.Run(name+"/"+c.String()+"/decode", func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(p.Plain))
				for range b.N {
					_, _, _ = Decode(in, MaxStreamFrame)
				}
			})
		}
	}
}
