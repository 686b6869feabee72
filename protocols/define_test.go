package protocols

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/wob"
)

func TestCatalogue(t *testing.T) {
	all := Catalogue()
	require.Len(t, all, len(catalogue))
	require.True(t, slices.IsSortedFunc(all, func(a, b *Definition) int { return strings.Compare(string(a.Kind), string(b.Kind)) }))
	for _, d := range all {
		for _, reply := range d.Rules.Reply {
			_, ok := Lookup(reply)
			require.True(t, ok, "%s is answered by the unknown %s", d.Kind, reply)
		}
		require.LessOrEqual(t, d.Rules.MaxBytes, MaxStreamFrame)
	}
	require.Panics(t, func() { Define[Notify]("CL_NOTIFY", Rules{MaxBytes: 1}) }, "twice")
	require.Panics(t, func() { Define[Notify]("CL_OTHER", Rules{MaxBytes: 1}) }, "another kind than the type's")
	require.Panics(t, func() { Define[future]("CL_FUTURE", Rules{}) }, "no limit")
	require.Panics(t, func() { Define[future]("CL_FUTURE", Rules{MaxBytes: 1, WOBs: 1}) }, "carries nothing")
	_, ok := Lookup("CL_FUTURE")
	require.False(t, ok)
}

func TestWhoMaySend(t *testing.T) {
	anyone, member := SenderRole{}, SenderRole{Member: true}
	supervisor, primary := SenderRole{Supervisor: true}, SenderRole{Supervisor: true, Primary: true}
	for from, may := range map[Sender][4]bool{
		FromAnyone:     {true, true, true, true},
		FromMember:     {false, true, true, true},
		FromSupervisor: {false, false, true, true},
		FromPrimary:    {false, false, false, true},
		Sender(99):     {},
	} {
		for i, role := range []SenderRole{anyone, member, supervisor, primary} {
			require.Equal(t, may[i], Rules{From: from}.Permits(role), "%v %+v", from, role)
		}
	}
	require.True(t, Allowed("NODE_JOIN", anyone))
	require.False(t, Allowed("CL_PREPARE", member))
	require.False(t, Allowed("CL_FUTURE", primary))
}

func TestAgreeOnCodec(t *testing.T) {
	for want, theirs := range map[Codec][]string{
		CodecZstd: {"brotli", "zstd", "zlib"}, CodecZlib: {"zlib", "zstd"}, CodecNone: nil,
	} {
		require.Equal(t, want, Agree(theirs))
	}
	for _, name := range Codecs() {
		require.Equal(t, name, Agree([]string{name}).String())
	}
}

// TestBounds breaks one field of a valid body at a time.
func TestBounds(t *testing.T) {
	s := sampler{rand.New(rand.NewPCG(3, 1)), true}
	valid := func(kind Kind) Body {
		d, ok := Lookup(kind)
		require.True(t, ok)
		return s.body(d)
	}
	many := func(n int) []string { return slices.Repeat([]string{"a"}, n) }
	entry := valid("CL_SUPERSEDED").(Superseded).Entry
	for _, c := range []struct {
		field string
		want  error
		body  func() Body
	}{
		{"version", ErrOutOfRange, func() Body { m := valid("NODE_HELLO").(Hello); m.Version = 0; return m }},
		{"project", ErrMissing, func() Body { m := valid("NODE_HELLO").(Hello); m.Project = ""; return m }},
		{"project", ErrBadText, func() Body { m := valid("NODE_HELLO").(Hello); m.Project = "a b"; return m }},
		{"agent", ErrBadText, func() Body { m := valid("NODE_HELLO").(Hello); m.Agent = "\xff"; return m }},
		{"agent", ErrTooLong, func() Body { m := valid("NODE_HELLO").(Hello); m.Agent = strings.Repeat("a", 1025); return m }},
		{"addrs", ErrTooMany, func() Body { m := valid("NODE_HELLO").(Hello); m.Addrs = many(17); return m }},
		{"addrs", ErrTooLong, func() Body {
			m := valid("NODE_HELLO").(Hello)
			m.Addrs = []string{strings.Repeat("/", 257)}
			return m
		}},
		{"bandwidth", ErrOutOfRange, func() Body { m := valid("NODE_HELLO").(Hello); m.Bandwidth = -1; return m }},
		{"cert", ErrTooMany, func() Body { m := valid("NODE_HELLO").(Hello); m.Cert = make([]byte, 8193); return m }},
		{"view.supervisors", ErrTooFew, func() Body { m := valid("CL_VIEW").(ViewIs); m.View.Supervisors = nil; return m }},
		{"view.supervisors", ErrTooMany, func() Body {
			m := valid("CL_VIEW").(ViewIs)
			m.View.Supervisors = make([]Supervisor, 1025)
			return m
		}},
		{"view.supervisors.id", ErrDuplicate, func() Body {
			m := valid("CL_VIEW").(ViewIs)
			m.View.Supervisors = append(m.View.Supervisors, m.View.Supervisors[0])
			return m
		}},
		{"next.epoch", ErrInconsistent, func() Body { m := valid("CL_PREPARE").(Prepare); m.Base += 2; return m }},
		{"entry", ErrMissing, func() Body { m := valid("CL_ANSWER").(AnswerIs); m.Answer, m.Entry = Found, nil; return m }},
		{"answer", ErrUnknownValue, func() Body { m := valid("CL_ANSWER").(AnswerIs); m.Answer = "maybe"; return m }},
		{"entry.id", ErrInconsistent, func() Body { m := valid("CL_ANSWER").(AnswerIs); m.Entry = &entry; return m }},
		{"entries.0.state", ErrUnknownValue, func() Body { m := valid("CL_LOST").(LostHint); m.Entries[0].State = "x"; return m }},
		{"entries.0.speed", ErrOutOfRange, func() Body { m := valid("CL_LOST").(LostHint); m.Entries[0].Speed = math.NaN(); return m }},
		{"entries", ErrTooMany, func() Body {
			return LostHint{Entries: slices.Repeat([]Entry{entry}, maxEntries+1)}
		}},
		{"effort", ErrOutOfRange, func() Body { m := valid("WOB_OFFER").(Offer); m.Effort = math.Inf(1); return m }},
		{"verdict", ErrUnknownValue, func() Body { m := valid("WOB_FINISHED_ACK").(FinishedAck); m.Verdict = ""; return m }},
		{"stale", ErrInconsistent, func() Body { m := valid("WOB_BACKUP_ACK").(BackupAck); m.Stale = nil; return m }},
		{"wob", ErrMissing, func() Body { return Finished{} }},
		{"wob.parent", ErrNotUUID, func() Body { m := valid("WOB_FINISHED").(Finished); m.WOB.Parent = ""; return m }},
		{"wob", ErrInconsistent, func() Body { return Info{ID: entry.ID, Found: true} }},
		{"wob.id", ErrInconsistent, func() Body { return Info{ID: entry.ID, Found: true, WOB: s.wob()} }},
		{"wobs", ErrTooFew, func() Body { return Backup{} }},
		{"wobs", ErrTooMany, func() Body { return Backup{WOBs: slices.Repeat([]*wob.WOB{s.wob()}, 5)} }},
	} {
		err := c.body().Validate()
		require.ErrorIs(t, err, c.want, c.field)
		var fe *FieldError
		require.ErrorAs(t, err, &fe)
		require.Equal(t, c.field, fe.Field)
	}
}
