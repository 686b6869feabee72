package wob

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawRaw draws a JSON value as an application may write it.
func drawRaw(t *rapid.T, label string) Raw {
	return Raw(rapid.SampledFrom([]string{
		``, `0`, `-1.5e-7`, `12345678901234567890123`, `true`, `[]`, `{}`, `""`, `"\u00e9é<&>"`, `{"a":[1, 2 ,{"b":null}]}`,
		`{"id":"x","ID":"y","id":"z"}`, "[\n1\t]", `"}]\"{["`, `[[[[1]]]]`,
	}).Draw(t, label))
}

func drawWOB(t *rapid.T) *WOB {
	count := rapid.Uint64Max(MaxCount)
	text := rapid.StringN(1, 20, 60)
	effort := func(l string) Effort {
		f := rapid.Float64Range(0, 1e300)
		return Effort{f.Draw(t, l+" total"), f.Draw(t, l+" remaining")}
	}
	state := rapid.SampledFrom([]State{Created, Running, Suspended, Waiting, Finished, Merged, Lost, Failed, Cancelled})
	m := model{ids: rapid.IntRange(0, 1<<20).Draw(t, "ids")}
	w := &WOB{
		ID: m.newID(), App: text.Draw(t, "app"), Epoch: count.Draw(t, "epoch"), Moves: count.Draw(t, "moves"),
		Holder: NodeID(text.Draw(t, "holder")), Version: count.Draw(t, "version"), State: state.Draw(t, "state"),
		Boundary: drawRaw(t, "boundary"), Checkpoint: drawRaw(t, "checkpoint"), Result: drawRaw(t, "result"),
		Meta: drawRaw(t, "meta"), Effort: effort("own"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "children") {
		w.Children = append(w.Children, Child{ID: m.newID(), Boundary: drawRaw(t, "b"), State: state.Draw(t, "s"),
			Birth: drawRaw(t, "birth"), Effort: effort("child"), Meta: drawRaw(t, "m"), Holder: NodeID(text.Draw(t, "h"))})
	}
	for range rapid.IntRange(0, MaxFailures+2).Draw(t, "failures") {
		w.AddFailure(Failure{Node: NodeID(text.Draw(t, "node")), Error: text.Draw(t, "error"), Log: text.Draw(t, "log")})
	}
	if rapid.Bool().Draw(t, "child") {
		w.Parent = m.newID()
	}
	w.Stats.Add(Stats{count.Draw(t, "wobs"), count.Draw(t, "splits"), 0, 0, count.Draw(t, "stat moves")})
	return w
}

// Whatever a WOB holds, and whatever fields a newer version put beside it, comes back
// from its encoding; the second encoding is the first.
func TestRoundTripKeepsUnknownFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWOB(t)
		b, err := w.Encode()
		require.NoError(t, err)
		var newer bytes.Buffer
		newer.Write(b[:len(b)-1])
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[g-z]{1,3}[0-9]`), 0, 5, rapid.ID[string]).Draw(t, "names")
		values := map[string]Raw{}
		for _, n := range names {
			values[n] = drawRaw(t, "unknown")
			fmt.Fprintf(&newer, ` , %q : %s`, n, appendRaw(nil, values[n]))
		}
		newer.WriteByte('}')

		got, err := Decode(newer.Bytes())
		require.NoError(t, err)
		first, err := got.Clone().Encode()
		require.NoError(t, err)
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(first, &all))
		for n, v := range values {
			require.Equal(t, string(appendRaw(nil, v)), string(all[n]), "verbatim")
		}
		again, err := Decode(first)
		require.NoError(t, err)
		require.Equal(t, got, again)
		second, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, string(first), string(second), "equal WOBs, equal encodings")

		got.extra = ""
		require.Equal(t, w.nulls(), got.nulls())
	})
}

// nulls writes null in one way, and no entries as nil, for comparing.
func (w *WOB) nulls() *WOB {
	b, err := w.encode()
	must(err)
	n := new(WOB)
	must(n.UnmarshalJSON(b))
	return n
}

// FuzzDecode: no input panics, and whatever is accepted can be stored and read again.
func FuzzDecode(f *testing.F) {
	b, err := full().Encode()
	require.NoError(f, err)
	f.Add(b)
	for _, s := range []string{``, `null`, `{}`, `[`, `{"id":`, head + `}`, head + `,"children":[{}],"x":{"y":[1]}}`, head + `,"Epoch":1}`,
		head + `,"effort":{"total":1e308,"remaining":-0}}`, head + ",\"\xc3\":1}", head + `,"\ud800":1,"\udfff":2}`, nested(3000), `{"a\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		w, err := Decode(in)
		if err != nil {
			require.Nil(t, w)
			var fe *FieldError
			require.ErrorAs(t, err, &fe)
			return
		}
		require.True(t, json.Valid(in))
		b, err := w.Encode()
		if err != nil { // a name or a number may be longer written out
			require.ErrorIs(t, err, ErrTooLarge)
			return
		}
		again, err := Decode(b)
		require.NoError(t, err)
		require.Equal(t, w, again)
	})
}

// Inputs close to valid ones reach deeper than random bytes: a real encoding with a
// few bytes changed, cut out or doubled.
func TestDecodeNeverPanics(t *testing.T) {
	b, err := full().Encode()
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 20000 {
		in := bytes.Clone(b)
		for range 1 + rng.IntN(3) {
			i, j := rng.IntN(len(in)), rng.IntN(len(in))
			switch rng.IntN(4) {
			case 0:
				in[i] = in[j]
			case 1:
				in[i] = byte(rng.Uint32())
			case 2:
				in = append(in[:i:i], in[min(i+rng.IntN(9), len(in)):]...)
			default:
				in = append(in[:i:i], in[max(0, i-9):]...)
			}
			if len(in) == 0 {
				break
			}
		}
		if w, err := Decode(in); err == nil {
			accepted++
			_, err := w.Encode()
			require.NoError(t, err)
		}
	}
	require.Greater(t, accepted, 200, "some changes are harmless: digits, letters of a text")
}
