// Command gen writes docs/messages.md, the reference of all messages, from the catalogue of package
// protocols and from the doc comments of its types. It is run in the module's root or in the
// directory of that package.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := "."
	if _, err := os.Stat("go.mod"); err != nil {
		root = ".."
	}
	text, err := render(filepath.Join(root, "protocols"))
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "docs", "messages.md"), []byte(text), 0o644) //nolint:gosec // a public page
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
