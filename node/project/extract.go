package project

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Extract reads a package from r, checks its size and SHA-256 and unpacks it into dest,
// read-only. Nothing is unpacked before it is verified, and dest appears whole or not at
// all. An existing dest is an error that wraps ErrExists. What the package holds cannot
// get out of dest; links, devices and anything over the limits are refused with an
// error that wraps ErrPackage.
func Extract(r io.Reader, a App, dest string) error {
	if _, err := os.Lstat(dest); err == nil {
		return fmt.Errorf("%s %w", dest, ErrExists)
	}
	parent := filepath.Dir(dest)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("unpack application: %w", err)
	}
	f, err := os.CreateTemp(parent, ".package-*")
	if err != nil {
		return fmt.Errorf("unpack application: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := fetch(f, r, a); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("unpack application: %w", err)
	}
	tmp, err := os.MkdirTemp(parent, ".unpack-*")
	if err != nil {
		return fmt.Errorf("unpack application: %w", err)
	}
	if err = unpack(f, tmp); err == nil {
		err = seal(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, dest)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("unpack application %s %s: %w", a.Name, a.Version, err), Remove(tmp))
	}
	return syncDir(parent)
}

// fetch copies the package to a file and verifies it.
func fetch(f *os.File, r io.Reader, a App) error {
	if a.Size <= 0 || a.Size > MaxPackage {
		return fmt.Errorf("%w: %d bytes are not in 1..%d", ErrPackage, a.Size, int64(MaxPackage))
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, a.Size+1))
	if err != nil {
		return fmt.Errorf("fetch application %s %s: %w", a.Name, a.Version, err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if n != a.Size || sum != a.SHA256 {
		return fmt.Errorf("%w: %s %s does not match its descriptor (%d bytes, SHA-256 %s; want %d, %s)",
			ErrPackage, a.Name, a.Version, n, sum, a.Size, a.SHA256)
	}
	return nil
}

// unpack writes the entries of a tar file below dir. os.Root holds them there, whatever
// their names say.
func unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tr := tar.NewReader(r)
	var files int
	var total int64
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPackage, err)
		}
		if files++; files > maxFiles {
			return fmt.Errorf("%w: more than %d files", ErrPackage, maxFiles)
		}
		if total += h.Size; h.Size < 0 || total > MaxPackage {
			return fmt.Errorf("%w: more than %d bytes", ErrPackage, int64(MaxPackage))
		}
		if err := unpackEntry(root, tr, h); err != nil {
			return err
		}
	}
}

func unpackEntry(root *os.Root, r io.Reader, h *tar.Header) error {
	name := path.Clean(h.Name)
	if len(h.Name) > maxPath || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf("%w: the name %.64q leads out of it", ErrPackage, h.Name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o755); err != nil {
			return fmt.Errorf("%w: %w", ErrPackage, err)
		}
		return nil
	case tar.TypeReg:
	default:
		return fmt.Errorf("%w: %.64q is neither a file nor a directory", ErrPackage, h.Name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrPackage, err)
	}
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	// O_EXCL: no entry may overwrite another.
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackage, err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrPackage, name, err)
	}
	return nil
}

// seal makes everything below dir read-only, dir included.
func seal(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			dirs = append(dirs, name)
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.Chmod(name, 0o444|info.Mode()&0o111)
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- {
		err = os.Chmod(dirs[i], 0o555)
	}
	return err
}

// Remove deletes an extracted package, read-only as it is. A missing one is no error.
func Remove(dest string) error {
	err := filepath.WalkDir(dest, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(name, 0o755)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove application: %w", err)
	}
	if err := os.RemoveAll(dest); err != nil {
		return fmt.Errorf("remove application: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
