package guard

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	// namedTest is a test as docs/paper.md writes it: overlay/index.TestAnEntryNeverFalls.
	namedTest = regexp.MustCompile(`^([a-z0-9/]+)\.((?:Test|Fuzz|Benchmark)\w+)$`)
	linked    = regexp.MustCompile(`\]\(([^)#:]+)\)`)
)

// Missing returns the files and tests that a page of the directory dir names and the tree
// does not have, and how many it names. Files are quoted with a slash in them or linked,
// tests quoted as directory.TestName.
func Missing(root fs.FS, dir, page string) (bad []string, named int) {
	exists := func(name string) {
		named++
		if _, err := fs.Stat(root, name); err != nil {
			bad = append(bad, fmt.Sprintf("%s: there is no such file", name))
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(page, -1) {
		if test := namedTest.FindStringSubmatch(m[1]); test != nil {
			named++
			if !hasTest(root, test[1], test[2]) {
				bad = append(bad, fmt.Sprintf("%s: there is no such test", m[1]))
			}
		} else if strings.Contains(m[1], "/") {
			exists(m[1])
		}
	}
	for _, m := range linked.FindAllStringSubmatch(page, -1) {
		exists(path.Join(dir, m[1]))
	}
	return bad, named
}

// hasTest reports whether a test file of a directory has the function.
func hasTest(root fs.FS, dir, name string) bool {
	files, err := fs.Glob(root, dir+"/*_test.go")
	if err != nil {
		return false
	}
	for _, f := range files {
		src, err := fs.ReadFile(root, f)
		if err == nil && strings.Contains(string(src), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
