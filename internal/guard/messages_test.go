package guard

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/protocols"
)

func kinds() []protocols.Kind {
	var all []protocols.Kind
	for _, d := range protocols.Catalogue() {
		all = append(all, d.Kind)
	}
	return all
}

func TestEveryMessageHasOneOwner(t *testing.T) {
	require.NotEmpty(t, kinds())
	for _, bad := range Owners(load(t), kinds()) {
		t.Error(bad)
	}
}

func TestEveryMessageAppearsInAStory(t *testing.T) {
	stories, err := Stories(os.DirFS(root))
	require.NoError(t, err)
	if len(stories) == 0 && os.Getenv("CI") == "" {
		t.Skip("no stories in overlay/testdata and work/testdata")
	}
	for _, bad := range Untold(kinds(), stories) {
		t.Error(bad)
	}
}

func TestOwnersCatches(t *testing.T) {
	offer := `package protocols
var _ = Define[Offer]("WOB_OFFER", Rules{MaxBytes: 1})`
	good := source(t, "protocols/wob_offer.go", offer)
	for _, c := range []struct {
		files []*File
		kinds []protocols.Kind
		want  string
	}{
		{[]*File{good}, []protocols.Kind{"WOB_OFFER"}, ""},
		{[]*File{source(t, "protocols/offers.go", offer)}, []protocols.Kind{"WOB_OFFER"}, "belongs in wob_offer.go"},
		{[]*File{good, good}, []protocols.Kind{"WOB_OFFER"}, "as does"},
		{[]*File{good}, []protocols.Kind{"WOB_OFFER", "WOB_REQUEST"}, "WOB_REQUEST: no file"},
		{[]*File{source(t, "overlay/wob_offer.go", offer)}, []protocols.Kind{"WOB_OFFER"}, "WOB_OFFER: no file"},
	} {
		bad := Owners(c.files, c.kinds)
		if c.want == "" {
			require.Empty(t, bad)
			continue
		}
		require.Len(t, bad, 1)
		require.Contains(t, bad[0], c.want)
	}
}

func TestUntoldCatches(t *testing.T) {
	stories, err := Stories(fstest.MapFS{
		"work/testdata/offer.txt":  {Data: []byte("receive n2 WOB_OFFER request=r1\n----\nsend WOB_OFFER_ACK\n")},
		"work/testdata/notes.md":   {Data: []byte("WOB_REQUEST")},
		"node/testdata/other.txt":  {Data: []byte("WOB_REQUEST")},
		"overlay/testdata/one.txt": {Data: []byte("send(n3, NODE_BEAT{})")},
	})
	require.NoError(t, err)
	require.Len(t, stories, 2)
	require.Empty(t, Untold([]protocols.Kind{"WOB_OFFER", "WOB_OFFER_ACK", "NODE_BEAT", "NODE_HELLO"}, stories))
	require.Len(t, Untold([]protocols.Kind{"WOB_REQUEST", "WOB", "WOB_OFFER_A"}, stories), 3)
}
