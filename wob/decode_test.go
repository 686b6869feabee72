package wob

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const head = `{"id":"` + string(idA) + `","app":"a","state":"running"`

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestDecodeRefuses(t *testing.T) {
	child := `{"id":"` + string(idB) + `","state":"created"`
	for name, c := range map[string]struct {
		in    string
		field string
		err   error
	}{
		"empty":                     {``, "", ErrSyntax},
		"null":                      {`null`, "", ErrType},
		"array":                     {`[]`, "", ErrType},
		"cut short":                 {head, "", ErrSyntax},
		"trailing data":             {head + `} {}`, "", ErrSyntax},
		"trailing bracket":          {head + `}}`, "", ErrSyntax},
		"invalid UTF-8":             {head + ",\"meta\":\"\xff\"}", "", ErrUTF8},
		"duplicate field":           {head + `,"app":"b"}`, "", ErrDuplicate},
		"duplicate by escape":       {head + `,"\u0061pp":"b"}`, "", ErrDuplicate},
		"duplicate in another case": {head + `,"App":"b"}`, "", ErrDuplicate},
		"wrong case":                {head + `,"Boundary":1}`, "", ErrCase},
		"duplicate unknown field":   {head + `,"x":1,"x":2}`, "", ErrDuplicate},
		"too many fields":           {head + manyFields(70) + `}`, "", ErrLimit},
		"long field name":           {head + `,"` + strings.Repeat("x", maxKey) + `":1}`, "", ErrLimit},
		"bad failures":              {head + `,"failures":[{"node":7}]}`, "failures[0].node", ErrType},
		"bad child state":           {head + `,"children":[` + child + `,"boundary":1},{"id":"` + string(idC) + `"}]}`, "children[1].state", ErrState},
		"no id":                     {`{"app":"a","state":"running"}`, "id", ErrID},
		"id in upper case":          {strings.Replace(head, "a8c0", "A8C0", 1) + `}`, "id", ErrID},
		"id not a string":           {`{"id":7}`, "id", ErrType},
		"no app":                    {`{"id":"` + string(idA) + `","state":"running"}`, "app", ErrMissing},
		"long app":                  {`{"id":"` + string(idA) + `","state":"running","app":"` + strings.Repeat("a", MaxName+1) + `"}`, "app", ErrLimit},
		"bad state":                 {`{"id":"` + string(idA) + `","app":"a","state":"sleeping"}`, "state", ErrState},
		"own parent":                {head + `,"parent":"` + string(idA) + `"}`, "parent", ErrID},
		"negative epoch":            {head + `,"epoch":-1}`, "epoch", ErrType},
		"broken epoch":              {head + `,"epoch":1.5}`, "epoch", ErrType},
		"epoch near wrapping":       {head + `,"epoch":18446744073709551615}`, "epoch", ErrLimit},
		"version as text":           {head + `,"version":"1"}`, "version", ErrType},
		"negative effort":           {head + `,"effort":{"total":-1}}`, "effort", ErrEffort},
		"infinite effort":           {head + `,"effort":{"total":1e999}}`, "effort.total", ErrEffort},
		"effort as text":            {head + `,"effort":{"remaining":"NaN"}}`, "effort.remaining", ErrType},
		"boundary too deep":         {head + `,"boundary":` + nested(MaxRawDepth+1) + `}`, "boundary", ErrDepth},
		"bomb of brackets":          {head + `,"meta":` + nested(1<<20) + `}`, "", ErrDepth},
		"unknown field too deep":    {head + `,"x":` + nested(MaxFieldDepth+1) + `}`, "", ErrDepth},
		"unknown in stats too deep": {head + `,"stats":{"x":` + nested(MaxFieldDepth+1) + `}}`, "stats", ErrDepth},
		"children not an array":     {head + `,"children":{}}`, "children", ErrType},
		"child not an object":       {head + `,"children":[7]}`, "children[0]", ErrType},
		"child without id":          {head + `,"children":[{"state":"created"}]}`, "children[0].id", ErrID},
		"child of itself":           {head + `,"children":[` + strings.Replace(child, string(idB), string(idA), 1) + `}]}`, "children[0].id", ErrChildKnown},
		"child twice":               {head + `,"children":[` + child + `},` + child + `}]}`, "children[1].id", ErrChildKnown},
		"child's field twice":       {head + `,"children":[` + child + `,"id":"x"}]}`, "children[0]", ErrDuplicate},
		"child's wrong case":        {head + `,"children":[` + child + `,"Birth":1}]}`, "children[0]", ErrCase},
		"child's effort":            {head + `,"children":[` + child + `,"effort":{"total":true}}]}`, "children[0].effort.total", ErrType},
		"child's birth too deep":    {head + `,"children":[` + child + `,"birth":` + nested(MaxRawDepth+1) + `}]}`, "children[0].birth", ErrDepth},
		"too many children":         {head + `,"children":[` + strings.Repeat("1,", MaxChildren) + `1]}`, "children", ErrLimit},
		"too many failures":         {head + `,"failures":[` + strings.Repeat("{},", MaxFailures) + `{}]}`, "failures", ErrLimit},
		"long log":                  {head + `,"failures":[{"log":"` + strings.Repeat("x", MaxLog+1) + `"}]}`, "failures", ErrLimit},
		"stats out of range":        {head + `,"stats":{"moves":9007199254740992}}`, "stats.moves", ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Decode([]byte(c.in))
			require.Nil(t, w)
			require.ErrorIs(t, err, c.err)
			var fe *FieldError
			require.ErrorAs(t, err, &fe)
			require.Equal(t, c.field, fe.Field, "%v", err)
			require.Less(t, len(err.Error()), 300, "an error is bounded, whatever the input")
		})
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"x` + strings.Repeat("y", i) + `":1`)
	}
	return b.String()
}

func TestDecodeAccepts(t *testing.T) {
	for name, in := range map[string]string{
		"the least":          head + `}`,
		"white space":        "\n " + strings.ReplaceAll(head, ":", " :\t") + " }\r\n",
		"nulls":              head + `,"epoch":null,"children":null,"effort":null,"boundary":null,"holder":null,"stats":null,"failures":null,"moves":null,"result":null}`,
		"deep boundary":      head + `,"boundary":` + nested(MaxRawDepth) + `}`,
		"deep birth":         head + `,"children":[{"id":"` + string(idB) + `","state":"lost","birth":` + nested(MaxRawDepth) + `}]}`,
		"empty children":     head + `,"children":[ ]}`,
		"brackets in a text": head + `,"meta":"` + strings.Repeat("[", 5000) + `\"\\"}`,
		"newer stats":        head + `,"stats":{"wobs":1,"joules":7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Decode([]byte(in))
			require.NoError(t, err)
			b, err := w.Encode()
			require.NoError(t, err)
			again, err := Decode(b)
			require.NoError(t, err)
			require.Equal(t, w, again)
		})
	}
}

func TestTooLargeNamesTheLargestField(t *testing.T) {
	w := full()
	w.Checkpoint = Raw(`"` + strings.Repeat("x", MaxEncoded) + `"`)
	_, err := w.Encode()
	var fe *FieldError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, FieldError{WOB: idA, Field: "checkpoint", Err: fe.Err}, *fe)
	require.ErrorIs(t, err, ErrTooLarge)

	_, err = Decode([]byte(head + `,"result":"` + strings.Repeat("x", MaxEncoded) + `"}`))
	require.ErrorAs(t, err, &fe)
	require.Equal(t, "result", fe.Field)
	_, err = Decode(make([]byte, MaxEncoded+1))
	require.ErrorIs(t, err, ErrTooLarge, "no JSON at all")
	_, err = json.Marshal(w)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	for field, spoil := range map[string]func(*WOB){
		"effort":               func(w *WOB) { w.Effort.Total = math.NaN() },
		"boundary":             func(w *WOB) { w.Boundary = `{` },
		"meta":                 func(w *WOB) { w.Meta = `1 2` },
		"result":               func(w *WOB) { w.Result = "\"\xff\"" },
		"checkpoint":           func(w *WOB) { w.Checkpoint = `,"id":1` },
		"children[0].birth":    func(w *WOB) { w.Children[0].Birth = `]` },
		"children[0].meta":     func(w *WOB) { w.Children[0].Meta = `]` },
		"children[0].boundary": func(w *WOB) { w.Children[0].Boundary = `]` },
		"children[0].state":    func(w *WOB) { w.Children[0].State = "" },
		"children[0].effort":   func(w *WOB) { w.Children[0].Effort.Remaining = math.Inf(1) },
		"children[0].holder":   func(w *WOB) { w.Children[0].Holder = "\xff" },
		"children[0].id":       func(w *WOB) { w.Children[0].ID = "../x" },
		"holder":               func(w *WOB) { w.Holder = NodeID(strings.Repeat("x", MaxName+1)) },
		"parent":               func(w *WOB) { w.Parent = "root" },
		"version":              func(w *WOB) { w.Version = MaxCount + 1 },
		"moves":                func(w *WOB) { w.Moves = MaxCount + 1 },
		"failures":             func(w *WOB) { w.Failures[0].Error = "\xff" },
		"stats.recovered":      func(w *WOB) { w.Stats.Recovered = MaxCount + 1 },
		"children":             func(w *WOB) { w.Children = make([]Child, MaxChildren+1) },
	} {
		w := full()
		spoil(w)
		_, err := w.Encode()
		var fe *FieldError
		require.ErrorAs(t, err, &fe, field)
		require.Equal(t, field, fe.Field)
		require.Equal(t, idA, fe.WOB)
	}
	w := full()
	w.Boundary = `{`
	_, err := json.Marshal(w)
	require.Error(t, err, "nor inside another value")
}

func TestRaw(t *testing.T) {
	var v struct{ A, B, C Raw }
	require.NoError(t, json.Unmarshal([]byte(`{"A": {"x" : 1.0} ,"B":null}`), &v))
	require.Equal(t, Raw(`{"x" : 1.0}`), v.A, "verbatim")
	require.True(t, v.B.IsNull() && v.C == "")
	b, err := json.Marshal(v)
	require.NoError(t, err)
	require.Equal(t, `{"A":{"x":1.0},"B":null,"C":null}`, string(b))

	require.True(t, Raw(`["<", 1]`).Equal("[\"\\u003c\",1]"))
	require.True(t, Raw("").Equal("null"))
	require.False(t, Raw(`1`).Equal(`1.0`), "numbers are compared as written")
	require.False(t, Raw(`{`).Equal(`[`))
	for _, bad := range []Raw{`{`, `1 2`, "\"\xff\"", `nul`, Raw(nested(MaxRawDepth + 1))} {
		require.False(t, bad.Valid())
		_, err := bad.MarshalJSON()
		require.Error(t, err)
		require.Error(t, new(Raw).UnmarshalJSON([]byte(bad)))
	}
}

func TestChildAlone(t *testing.T) {
	in := `{"id":"` + string(idB) + `","boundary":[1],"state":"lost","zone":3}`
	var c Child
	require.NoError(t, json.Unmarshal([]byte(in), &c))
	b, err := json.Marshal(c)
	require.NoError(t, err)
	require.Equal(t, in, string(b), "as in a WOB, fields of a newer version included")
	require.ErrorIs(t, c.UnmarshalJSON([]byte(`{"id":"a","ID":"b"}`)), ErrDuplicate)
	require.ErrorIs(t, c.UnmarshalJSON([]byte(`{`)), ErrSyntax)
	require.Equal(t, ID(idB), c.ID, "an error changes nothing")
}

func TestErrorsSayWhere(t *testing.T) {
	_, err := Decode([]byte(head + `,"children":[{"id":"x"}]}`))
	require.EqualError(t, err, `wob `+string(idA)+`: field children[0].id: not a UUID in lower case`)
	require.EqualError(t, &FieldError{Err: ErrSyntax}, "wob: not valid JSON")
	require.EqualError(t, &FieldError{Field: "id", Err: ErrID}, "wob: field id: not a UUID in lower case")
	require.EqualError(t, &FieldError{WOB: idA, Err: ErrCase}, "wob "+string(idA)+": field name in wrong case")
	require.True(t, errors.Is(named(idA, ErrID), ErrID))
}
