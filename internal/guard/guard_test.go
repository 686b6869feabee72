package guard

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the module's root, seen from this package.
const root = "../.."

func load(t *testing.T) []*File {
	t.Helper()
	mod, err := os.ReadFile(root + "/go.mod")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(mod), "module "+Module+"\n"))
	files, err := Load(root)
	require.NoError(t, err)
	return files
}

// each fails the test with everything that check finds in the module.
func each(t *testing.T, check func(*File) []string) {
	t.Helper()
	for _, f := range load(t) {
		for _, bad := range check(f) {
			t.Error(bad)
		}
	}
}

func TestPurePackagesStayPure(t *testing.T)    { each(t, Purity) }
func TestImportsGoDownTheFloors(t *testing.T)  { each(t, Floors) }
func TestFilesStayShort(t *testing.T)          { each(t, TooLong) }
func TestExportedNamesDocumented(t *testing.T) { each(t, Undocumented) }

func TestPackagesDocumented(t *testing.T) {
	for _, bad := range PackagesWithoutDoc(load(t)) {
		t.Error(bad)
	}
}

// A guard that sees no file would pass for ever.
func TestLoadFindsThePurePackages(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range load(t) {
		require.NotContains(t, f.Path, "testdata/")
		seen[f.Dir()] = true
	}
	for _, dir := range []string{"core", "wob", "wob/appapi", "protocols", "overlay", "internal/guard"} {
		require.True(t, seen[dir], dir)
	}
}

// source parses a planted file of the given imports and body.
func source(t *testing.T, name, text string) *File {
	t.Helper()
	f, err := Parse(name, text)
	require.NoError(t, err)
	return f
}
