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
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/renameio/v2"
)

// Limits of a package.
const (
	MaxPackage = 512 << 20 // bytes of the tar file, and of what is in it
	maxFiles   = 100_000
	maxPath    = 1024 // bytes of one name
)

// AddApp packs the application in appDir, adds it to the project in dir and signs the
// changed descriptor. The error wraps ErrSpec, ErrPackage or ErrVersion. A gateway that
// runs on dir serves it at once.
func AddApp(dir, appDir string) (App, error) {
	spec, err := readSpecFile(appDir)
	if err != nil {
		return App{}, err
	}
	if err := spec.programs(appDir); err != nil {
		return App{}, err
	}
	a := App{Name: spec.Name, Version: spec.Version, Threads: 1, Boundary: spec.Example}
	if spec.Threads != nil {
		a.Threads = *spec.Threads
	}
	_, err = change(dir, func(d *Descriptor) error {
		if have, err := d.App(a.Name); err == nil && CompareVersions(a.Version, have.Version) <= 0 {
			return fmt.Errorf("%w: the project has %s %s, raise \"version\" in %s above it", ErrVersion, a.Name, have.Version,
				filepath.Join(appDir, SpecFile))
		}
		if a.Size, a.SHA256, err = packFile(PackagePath(dir, a), appDir); err != nil {
			return err
		}
		d.Apps = append(d.Apps, a)
		return nil
	})
	return a, err
}

func readSpecFile(appDir string) (*specFile, error) {
	// Any platform will do for reading; the file as it stands is wanted here.
	if _, err := ReadSpec(appDir, "", ""); err != nil && !errors.Is(err, ErrPlatform) {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(appDir, SpecFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return parseSpec(b)
}

// programs checks that the programs that app.json names by a path are in the package.
func (f *specFile) programs(appDir string) error {
	vectors := [][]string{f.Run, f.Install, f.Uninstall}
	for _, p := range f.Platforms {
		vectors = append(vectors, p.Run, p.Install, p.Uninstall)
	}
	for _, v := range vectors {
		if len(v) == 0 || !strings.Contains(v[0], "/") || path.IsAbs(v[0]) {
			continue // looked up in PATH, or outside, on the node
		}
		info, err := os.Stat(filepath.Join(appDir, filepath.FromSlash(v[0])))
		switch {
		case err != nil:
			return fmt.Errorf("%w: the program %s is not in %s; build it first", ErrPackage, v[0], appDir)
		case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
			return fmt.Errorf("%w: the program %s is not executable; chmod +x it", ErrPackage, v[0])
		}
	}
	return nil
}

// packFile writes the package of appDir to a file, whole or not at all.
func packFile(name, appDir string) (size int64, sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return 0, "", fmt.Errorf("make package directory: %w", err)
	}
	f, err := renameio.NewPendingFile(name, renameio.WithPermissions(0o644))
	if err != nil {
		return 0, "", fmt.Errorf("write package: %w", err)
	}
	defer f.Cleanup()
	hash := sha256.New()
	count := &counter{w: io.MultiWriter(f, hash)}
	if err := Pack(count, appDir); err != nil {
		return 0, "", err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return 0, "", fmt.Errorf("write package: %w", err)
	}
	return count.n, hex.EncodeToString(hash.Sum(nil)), nil
}

// counter counts bytes and refuses those above MaxPackage.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	if c.n += int64(len(b)); c.n > MaxPackage {
		return 0, fmt.Errorf("%w: larger than %d bytes", ErrPackage, int64(MaxPackage))
	}
	return c.w.Write(b)
}

// Pack writes the directory as a tar file. The same content gives the same bytes:
// entries are sorted, and owners, times and all mode bits but "executable" are left out.
// Links and special files are refused; a symbolic link to a file inside the directory
// is packed as that file.
func Pack(w io.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackage, err)
	}
	defer root.Close()
	tw := tar.NewWriter(w)
	files := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPackage, err)
		}
		if name == "." {
			return nil
		}
		if files++; files > maxFiles {
			return fmt.Errorf("%w: more than %d files", ErrPackage, maxFiles)
		}
		if len(name) > maxPath {
			return fmt.Errorf("%w: the name %.64q… is too long", ErrPackage, name)
		}
		if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			return fmt.Errorf("%w: the name %.256q is not text that every system can show; rename the file", ErrPackage, name)
		}
		return packEntry(tw, root, name)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func packEntry(tw *tar.Writer, root *os.Root, name string) error {
	info, err := root.Stat(name) // follows links, and refuses those that lead out
	if err != nil {
		return fmt.Errorf("%w: %s: %w (links must not lead out of the package)", ErrPackage, name, err)
	}
	h := &tar.Header{Name: name, Format: tar.FormatPAX, ModTime: time.Unix(0, 0)}
	switch {
	case info.IsDir():
		if link, err := root.Lstat(name); err != nil || !link.IsDir() {
			return fmt.Errorf("%w: %s is a link to a directory", ErrPackage, name)
		}
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		return tw.WriteHeader(h)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %s is neither a file nor a directory", ErrPackage, name)
	}
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPackage, err)
	}
	defer f.Close()
	h.Typeflag, h.Mode, h.Size = tar.TypeReg, 0o644, info.Size()
	if info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	if err := tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrPackage, name, err)
	}
	if n, err := io.Copy(tw, io.LimitReader(f, info.Size())); err != nil || n != info.Size() {
		return errors.Join(fmt.Errorf("%w: %s changed while it was packed", ErrPackage, name), err)
	}
	return nil
}
