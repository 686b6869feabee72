//go:build unix

package project

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tarball makes a package by hand, as an attacker would.
func tarball(t *testing.T, entries ...tar.Header) ([]byte, App) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		var body []byte
		if h.Typeflag == tar.TypeReg {
			body = []byte("content")
			h.Size = int64(len(body))
		}
		require.NoError(t, w.WriteHeader(&h))
		_, err := w.Write(body)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes(), appOf(b.Bytes())
}

func appOf(b []byte) App {
	sum := sha256.Sum256(b)
	return App{Name: "a", Version: "1.0.0", Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:]), Threads: 1}
}

func packed(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Pack(&b, dir))
	return b.Bytes()
}

func TestPackAndExtract(t *testing.T) {
	dir, _ := made(t)
	src := application(t, spec100)
	require.NoError(t, os.Symlink("run.sh", filepath.Join(src, "alias")))
	a, err := AddApp(dir, src)
	require.NoError(t, err)
	dest := filepath.Join(t.TempDir(), "deep", "primes")
	f, err := os.Open(PackagePath(dir, a))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, Extract(f, a, dest))
	for name, mode := range map[string]fs.FileMode{".": 0o555, "data": 0o555, "run.sh": 0o555, "alias": 0o555, "data/table": 0o444, SpecFile: 0o444} {
		info, err := os.Lstat(filepath.Join(dest, name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), name)
		require.Zero(t, info.Mode()&fs.ModeSymlink, name)
	}
	s, err := ReadSpec(dest, "linux", "amd64")
	require.NoError(t, err)
	require.Equal(t, "primes", s.Name)
	require.ErrorIs(t, Extract(f, a, dest), ErrExists)
	require.NoError(t, Remove(dest))
	require.NoDirExists(t, dest)
	require.NoError(t, Remove(dest), "again")
	left, err := os.ReadDir(filepath.Dir(dest))
	require.NoError(t, err)
	require.Empty(t, left, "no temporary file stays")
}

func TestPackIsDeterministic(t *testing.T) {
	src := application(t, spec100)
	first := packed(t, src)
	require.NoError(t, os.Chtimes(filepath.Join(src, "run.sh"), time.Now(), time.Now().Add(time.Hour)))
	require.NoError(t, os.Chmod(filepath.Join(src, "data", "table"), 0o600))
	require.Equal(t, first, packed(t, src), "times and other mode bits are left out")
	require.NoError(t, os.Chmod(filepath.Join(src, "data", "table"), 0o700))
	require.NotEqual(t, first, packed(t, src), "but the executable bit")
}

func TestSetuidIsDropped(t *testing.T) {
	src := application(t, spec100)
	plain := packed(t, src)
	require.NoError(t, os.Chmod(filepath.Join(src, "run.sh"), 0o755|os.ModeSetuid|os.ModeSetgid|os.ModeSticky))
	require.Equal(t, plain, packed(t, src))

	b, a := tarball(t, tar.Header{Typeflag: tar.TypeReg, Name: "x", Mode: 0o7777})
	dest := filepath.Join(t.TempDir(), "app")
	require.NoError(t, Extract(bytes.NewReader(b), a, dest))
	info, err := os.Stat(filepath.Join(dest, "x"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o555), info.Mode())
}

func TestPackRefuses(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"link out":          func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "x")) },
		"relative link out": func(dir string) error { return os.Symlink("../../x", filepath.Join(dir, "x")) },
		"dangling link":     func(dir string) error { return os.Symlink("nothing", filepath.Join(dir, "x")) },
		"link to directory": func(dir string) error { return os.Symlink("data", filepath.Join(dir, "x")) },
		"name not UTF-8":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "a\xff"), nil, 0o600) },
		"newline in a name": func(dir string) error { return os.WriteFile(filepath.Join(dir, "a\nb"), nil, 0o600) },
		"escape in a name":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "a\x1b[2J"), nil, 0o600) },
		"del in a name":     func(dir string) error { return os.WriteFile(filepath.Join(dir, "a\x7f"), nil, 0o600) },
		"C1 in a name":      func(dir string) error { return os.Mkdir(filepath.Join(dir, "a\u009b"), 0o700) },
		"fifo":              func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "x"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			src := application(t, spec100)
			require.NoError(t, spoil(src))
			require.ErrorIs(t, Pack(&bytes.Buffer{}, src), ErrPackage)
		})
	}
}

func TestExtractRefuses(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644} }
	for name, entries := range map[string][]tar.Header{
		"parent":         {file("../evil")},
		"hidden parent":  {file("a/../../evil")},
		"absolute":       {file("/tmp/evil")},
		"root itself":    {file(".")},
		"backslash":      {file(`..\evil`)},
		"symbolic link":  {{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc"}, file("a/evil")},
		"hard link":      {{Typeflag: tar.TypeLink, Name: "a", Linkname: "/etc/passwd"}},
		"device":         {{Typeflag: tar.TypeChar, Name: "a", Devmajor: 1}},
		"fifo":           {{Typeflag: tar.TypeFifo, Name: "a"}},
		"twice":          {file("a"), file("a")},
		"file then dir":  {file("a"), file("a/b")},
		"twice by clean": {file("a"), file("./a")},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := tarball(t, entries...)
			base := t.TempDir()
			dest := filepath.Join(base, "in", "app")
			require.ErrorIs(t, Extract(bytes.NewReader(b), a, dest), ErrPackage)
			left, err := os.ReadDir(filepath.Dir(dest))
			require.NoError(t, err)
			require.Empty(t, left, "nothing stays")
			require.NoFileExists(t, filepath.Join(base, "evil"))
		})
	}
}

func TestExtractVerifiesFirst(t *testing.T) {
	b, a := tarball(t, tar.Header{Typeflag: tar.TypeReg, Name: "a", Mode: 0o755})
	for name, test := range map[string]struct {
		body  []byte
		wrong func(*App)
	}{
		"other bytes": {append([]byte{1}, b[1:]...), func(*App) {}},
		"short":       {b[:len(b)-1], func(*App) {}},
		"long":        {append(bytes.Clone(b), 0), func(*App) {}},
		"wrong hash":  {b, func(a *App) { a.SHA256 = appOf(nil).SHA256 }},
		"wrong size":  {b, func(a *App) { a.Size-- }},
		"huge":        {b, func(a *App) { a.Size = MaxPackage + 1 }},
		"no tar": {[]byte("not a tar file, but the right hash"), func(a *App) {
			*a = appOf([]byte("not a tar file, but the right hash"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := a
			test.wrong(&a)
			dest := filepath.Join(t.TempDir(), "x", "app")
			require.ErrorIs(t, Extract(bytes.NewReader(test.body), a, dest), ErrPackage)
			left, err := os.ReadDir(filepath.Dir(dest))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
	require.NoError(t, Extract(bytes.NewReader(b), a, filepath.Join(t.TempDir(), "app")))
}
