package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/renameio/v2"
)

// A damaged MANIFEST is the one damage that pebble does not notice: keys go missing in
// silence, and the next ordinary start deletes their files (cockroachdb/pebble#4560).
// So a store that is closed in good order is sealed with the count and a hash of its
// keys, and the next start looks, without writing, whether they are all there.

// seal is the content of the file SEALED. It is removed when the store is opened, so a
// store that was not closed in good order has none and is not checked.
type seal struct {
	Keys uint64 `json:"keys"`
	Sum  uint64 `json:"sum"` // order-free: the sum of the keys' hashes
}

const sealFile = "SEALED"

func takeSeal(db *pebble.DB) (seal, error) {
	var s seal
	it, err := db.NewIter(nil)
	if err != nil {
		return s, fmt.Errorf("read the keys of the store: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		h := fnv.New64a()
		h.Write(it.Key())
		s.Keys++
		s.Sum += h.Sum64()
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return s, fmt.Errorf("read the keys of the store: %w", err)
	}
	return s, nil
}

func (s seal) write(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, sealFile), b, 0o600); err != nil {
		return fmt.Errorf("seal the store in %s: %w", dir, err)
	}
	return nil
}

// checkSeal compares a sealed store with its seal and then breaks the seal.
func checkSeal(dir, db string) error {
	name := filepath.Join(dir, sealFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the store in %s: %w", dir, err)
	}
	var want seal
	if err := json.Unmarshal(b, &want); err != nil {
		return corrupt(dir, fmt.Errorf("%s: %w", sealFile, err))
	}
	pdb, err := openPebble(db, new(health), true)
	if err != nil {
		return unreadable(dir, err)
	}
	got, err := takeSeal(pdb)
	if err := errors.Join(err, pdb.Close()); err != nil {
		return unreadable(dir, err)
	}
	if got != want {
		return corrupt(dir, fmt.Errorf("%d of %d records are missing or changed", diff(got.Keys, want.Keys), want.Keys))
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("open the store in %s: %w", dir, err)
	}
	return nil
}

func diff(got, want uint64) uint64 {
	if got == want {
		return 1 // the count is right and the hash is not
	}
	return max(got, want) - min(got, want)
}
