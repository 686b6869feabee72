package wob

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	idA ID = "0190a8c0-0000-4000-8000-00000000000a"
	idB ID = "0190a8c0-0000-4000-8000-00000000000b"
	idC ID = "0190a8c0-0000-4000-8000-00000000000c"
)

// full is a WOB with something in every field.
func full() *WOB {
	return &WOB{
		ID: idA, App: "primes@1.0.0", Parent: idB, Epoch: 3, Moves: 2, Holder: "12D3KooWnode", Version: 17,
		State: Running, Boundary: `{"from": 0, "to": 1e3}`, Checkpoint: `[1, 2, "<&>"]`, Result: `12345678901234567890`,
		Meta: `"\u00e9"`, Effort: Effort{1000, 250.5},
		Children: []Child{
			{ID: idC, Boundary: `[0,1]`, State: Created, Birth: `{}`, Effort: Effort{5, 5}, Meta: `true`, Holder: "n2"},
		},
		Failures: []Failure{{Node: "n1", Error: "exit status 1", Log: "panic: x\n"}},
		Stats:    Stats{WOBs: 1, Splits: 2, Recovered: 3, Reclaimed: 4, Moves: 5},
	}
}

func TestEncodeDecode(t *testing.T) {
	w := full()
	b, err := w.Encode()
	require.NoError(t, err)
	got, err := Decode(b)
	require.NoError(t, err)
	require.Equal(t, w, got, "the application's bytes come back as they were, white space included")

	inside, err := json.Marshal(struct{ W WOB }{*w})
	require.NoError(t, err)
	var out struct{ W WOB }
	require.NoError(t, json.Unmarshal(inside, &out))
	require.True(t, w.Checkpoint.Equal(out.W.Checkpoint), "same value, %s", out.W.Checkpoint)
	require.Equal(t, w.Children, out.W.Children)
}

func TestUnknownFieldsAreKept(t *testing.T) {
	in := `{"zeta":{"a": [1, 2]},"id":"` + string(idA) + `","app":"a","state":"running","alpha":"x",
		"children":[{"id":"` + string(idB) + `","state":"created","lease": {"s":1}}]}`
	w, err := Decode([]byte(in))
	require.NoError(t, err)
	b, err := w.Clone().Encode()
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(b), `,"alpha":"x","zeta":{"a": [1, 2]}}`), "sorted and verbatim: %s", b)
	require.Contains(t, string(b), `,"lease":{"s":1}}`)
	again, err := Decode(b)
	require.NoError(t, err)
	require.Equal(t, w, again)
}
