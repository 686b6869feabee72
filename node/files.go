package node

import (
	"os"

	"github.com/google/renameio/v2"
)

// writeFile replaces a file in one step: a crash leaves the old or the new content.
func writeFile(name string, data []byte, perm os.FileMode) error {
	return renameio.WriteFile(name, data, perm)
}
