package project

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// Files of a project directory.
const (
	DescriptorFile = "project.json" // signed, public
	KeyFile        = "project.key"  // private: may be kept offline except when the project changes
	TokenFile      = "owner.token"  // for the owner's calls of the gateway
	appsDir        = "apps"         // apps/NAME/VERSION.tar
	changeLock     = ".lock"
)

// New makes a project in dir: its key, its descriptor and its owner's token. dir may
// exist, but hold no project yet; the error then wraps ErrExists.
func New(name, dir string) (*Descriptor, error) {
	if !validName(name) {
		return nil, fmt.Errorf("%w: name %.64q; use letters, digits, '-', '_' and '.', at most %d", ErrDescriptor, name, maxName)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make project directory: %w", err)
	}
	for _, f := range []string{DescriptorFile, KeyFile, TokenFile} {
		if _, err := os.Lstat(filepath.Join(dir, f)); err == nil {
			return nil, fmt.Errorf("%s %w; choose another directory", filepath.Join(dir, f), ErrExists)
		}
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make project key: %w", err)
	}
	d := &Descriptor{ID: ID(pub), Name: name, Key: pub, Created: time.Now().UTC().Truncate(time.Second), Serial: 1, Apps: []App{}}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make project key: %w", err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("make owner token: %w", err)
	}
	raw, err := d.Sign(key)
	if err != nil {
		return nil, err
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	token := base64.RawURLEncoding.EncodeToString(secret) + "\n"
	// The descriptor last: a directory with one is a whole project.
	return d, errors.Join(
		write(dir, KeyFile, pemKey, 0o600),
		write(dir, TokenFile, []byte(token), 0o600),
		write(dir, DescriptorFile, raw, 0o644))
}

// Load reads and verifies the project in dir and returns its descriptor with the bytes
// to pass on.
func Load(dir string) (d *Descriptor, raw []byte, err error) {
	name := filepath.Join(dir, DescriptorFile)
	raw, err = os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s is missing; make a project with `wob project new`: %w", name, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read project: %w", err)
	}
	if d, err = Verify(raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, raw, nil
}

// Token reads the owner's token of the project in dir.
func Token(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, TokenFile))
	if err != nil {
		return "", fmt.Errorf("read owner token: %w", err)
	}
	token := string(bytes.TrimSpace(b))
	if token == "" {
		return "", fmt.Errorf("%s is empty", filepath.Join(dir, TokenFile))
	}
	return token, nil
}

// PackagePath is where the project in dir keeps an application package.
func PackagePath(dir string, a App) string {
	return filepath.Join(dir, appsDir, a.Name, a.Version+".tar")
}

func privateKey(dir string) (ed25519.PrivateKey, error) {
	name := filepath.Join(dir, KeyFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read project key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", name)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an ed25519 key", name)
	}
	return key, nil
}

// change reads the project, lets fn change the descriptor, raises its serial, signs and
// writes it, all under a lock against a second command.
func change(dir string, fn func(*Descriptor) error) (*Descriptor, error) {
	lock := flock.New(filepath.Join(dir, changeLock))
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("lock project: %w", err)
	}
	defer lock.Unlock()
	d, _, err := Load(dir)
	if err != nil {
		return nil, err
	}
	key, err := privateKey(dir)
	if err != nil {
		return nil, err
	}
	if err := fn(d); err != nil {
		return nil, err
	}
	slices.SortFunc(d.Apps, order)
	d.Serial++
	raw, err := d.Sign(key)
	if err != nil {
		return nil, err
	}
	return d, write(dir, DescriptorFile, raw, 0o644)
}

func write(dir, name string, b []byte, mode os.FileMode) error {
	if err := renameio.WriteFile(filepath.Join(dir, name), b, mode); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
