package guard

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// sections are the parts of the paper that say how the system is.
var sections = []string{
	"3", "3.1", "3.1.1", "3.1.2", "3.1.3", "3.2", "Table 1", "3.3", "3.4",
	"3.4.1", "3.4.2", "3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.7", "4", "Table 2", "Figure 6",
}

func TestThePaperPageNamesWhatExists(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/paper.md")
	require.NoError(t, err)
	bad, named := Missing(os.DirFS(root), "docs", string(page))
	for _, b := range bad {
		t.Error("docs/paper.md: " + b)
	}
	require.Greater(t, named, len(sections))
	for _, s := range sections {
		if !strings.Contains(string(page), "\n| "+s+" ") {
			t.Errorf("docs/paper.md: no row for %s", s)
		}
	}
}

func TestMissingCatches(t *testing.T) {
	tree := fstest.MapFS{
		"work/split.go":      {Data: []byte("package work\n")},
		"work/split_test.go": {Data: []byte("package work\n\nfunc TestSplit(t *testing.T) {}\n")},
		"docs/adr/0001.md":   {Data: []byte("# 1\n")},
	}
	for page, want := range map[string]int{
		"`work/split.go` `work.TestSplit` [one](adr/0001.md)": 0,
		"`work/merge.go`":                          1,
		"`work.TestSpli`":                          1,
		"`work/index.TestSplit`":                   1,
		"[two](adr/0002.md)":                       1,
		"`relayed` `Range` [x](https://x.org/a.b)": 0,
	} {
		bad, _ := Missing(tree, "docs", page)
		require.Len(t, bad, want, page)
	}
}
