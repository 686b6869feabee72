package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/gofrs/flock"
	pebbleds "github.com/ipfs/go-ds-pebble"
)

// An idle node must stay small: pebble's own defaults suit a database server.
const (
	cacheBytes    = 8 << 20
	memTableBytes = 4 << 20
	openFiles     = 64
)

// OpenKV opens the key-value store in dir, making it if there is none. The error wraps
// ErrLocked if another process has it open and ErrCorrupt if it is damaged; both say
// what to do.
func OpenKV(dir string) (*KV, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "wob.lock"))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the store in %s: %w", dir, err)
	}
	if !got {
		return nil, fmt.Errorf("%w: %s; stop that process, or choose another directory with --data", ErrLocked, dir)
	}
	kv, err := openLocked(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	db := kv.close
	kv.close = func() error { return errors.Join(db(), lock.Unlock()) }
	return start(kv), nil
}

func openLocked(dir string) (*KV, error) {
	db := filepath.Join(dir, "db")
	if err := checkSeal(dir, db); err != nil {
		return nil, err
	}
	h := new(health)
	pdb, err := openPebble(db, h, false)
	if err != nil {
		return nil, unreadable(dir, err)
	}
	kv := &KV{dir: dir, health: h, db: pdb}
	if kv.synced, err = pebbleds.NewDatastore(db, pebbleds.WithPebbleDB(pdb), pebbleds.WithPebbleWriteOptions(pebble.Sync)); err != nil {
		return nil, errors.Join(err, pdb.Close())
	}
	plain, err := pebbleds.NewDatastore(db, pebbleds.WithPebbleDB(pdb), pebbleds.WithPebbleWriteOptions(pebble.NoSync))
	if err != nil {
		return nil, errors.Join(err, pdb.Close())
	}
	kv.plain = plain
	kv.close = func() error { return kv.shut(dir) }
	return kv, nil
}

// openPebble opens the database. Pebble panics where a damaged file contradicts itself.
func openPebble(dir string, h *health, readOnly bool) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("%w: %v", pebble.ErrCorruption, r)
		}
	}()
	opts := &pebble.Options{
		CacheSize:          cacheBytes,
		MemTableSize:       memTableBytes,
		MaxOpenFiles:       openFiles,
		FormatMajorVersion: pebble.FormatNewest, // notices more damage in its log than older formats
		Logger:             logger{h},
		ReadOnly:           readOnly,
		EventListener: &pebble.EventListener{
			// The default ends the process.
			DataCorruption: func(i pebble.DataCorruptionInfo) { h.fail(fmt.Errorf("%w: %v", ErrCorrupt, i)) },
		},
	}
	db, err = pebble.Open(dir, opts)
	if err == nil && h.err() != nil {
		err = errors.Join(h.err(), db.Close())
		db = nil
	}
	return db, err
}

// shut closes a store in good order and seals it.
func (kv *KV) shut(dir string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.Join(err, fmt.Errorf("close the store in %s: %v", dir, r))
		}
	}()
	if failed := kv.health.err(); failed != nil {
		return errors.Join(failed, kv.db.Close())
	}
	s, err := takeSeal(kv.db)
	if err != nil {
		return errors.Join(err, kv.db.Close())
	}
	if err := kv.synced.Close(); err != nil { // flushes, and closes the database for both
		return fmt.Errorf("close the store in %s: %w", dir, err)
	}
	return s.write(dir)
}

// abandon closes a store that could not be loaded, leaving it as it is.
func (kv *KV) abandon() {
	kv.health.fail(errors.New("abandoned"))
	_ = kv.Close() // the error to report is the one that led here
}

// unreadable explains why a store cannot be opened. A missing file is damage: the
// directory itself is there.
func unreadable(dir string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("open the store in %s: %w", dir, err)
	case strings.Contains(err.Error(), "no space left"):
		return fmt.Errorf("open the store in %s: the disk is full, make room and start again: %w", dir, err)
	}
	return corrupt(dir, err)
}

func corrupt(dir string, err error) error {
	return fmt.Errorf("%w: %s (%w); move that directory away and start again: WOBs of this node are then recovered from their backups elsewhere, "+
		"or restore it from a copy", ErrCorrupt, dir, err)
}

// logger passes on what pebble has to say. Its Fatalf must not end the process, as
// pebble's own does: the store fails, the node goes on to say so.
type logger struct{ h *health }

func (logger) Infof(string, ...any) {}

func (logger) Errorf(format string, args ...any) {
	slog.Warn("Store reports an error", "error", fmt.Sprintf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	l.h.fail(fmt.Errorf(format, args...))
	slog.Error("Store failed", "error", fmt.Sprintf(format, args...))
}
