package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wobcompute/wobcompute/node/app/check"
)

// The README's application is the one in testdata, which compiles, keeps to the protocol
// and counts right.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	dir := t.TempDir()
	for _, name := range []string{"main.go", "app.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", "twins", name))
		require.NoError(t, err)
		require.Contains(t, string(readme), "\n"+string(b)+"```\n", "README.md and testdata/twins/%s differ", name)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "twins"), "./testdata/twins").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(program, "app", "check", "--json")
	cmd.Dir = dir
	out, err = cmd.Output()
	require.NoError(t, err, "%s", out)
	var r check.Report
	require.NoError(t, json.Unmarshal(out, &r))
	require.True(t, r.OK)
	require.EqualValues(t, "2160", r.Result)
	for _, s := range r.Steps {
		require.NotEqual(t, check.Failed, s.Outcome, s.Text)
	}
}

// What the README tells people to type exists, with these flags.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	root := (&env{}).root()
	found := 0
	for line := range strings.Lines(string(readme)) {
		line, isCommand := strings.CutPrefix(strings.TrimSpace(line), "wob ")
		if !isCommand {
			continue
		}
		words := strings.Fields(strings.SplitN(line, "   #", 2)[0])
		c, rest, err := root.Find(words)
		require.NoError(t, err, line)
		require.NotEqual(t, root, c, line)
		for _, w := range rest {
			if name, isFlag := strings.CutPrefix(w, "--"); isFlag && name != "" {
				known := c.Flags().Lookup(name) != nil || root.PersistentFlags().Lookup(name) != nil
				require.True(t, known, "%s: no flag %s", line, w)
			}
		}
		found++
	}
	require.Greater(t, found, 8)
}
