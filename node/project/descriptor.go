// Package project makes, verifies and reads projects: the signed descriptor by which a
// node knows a project and its applications, and the application packages themselves
// (interfaces, section 4). A node takes nothing from a gateway that does not verify
// against the project's key, and the key is what the project's id stands for.
package project

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/wob"
)

// Errors of this package.
var (
	ErrDescriptor = errors.New("bad project descriptor")
	ErrSignature  = errors.New("the project descriptor is not signed by the project's key")
	ErrUnknownApp = errors.New("no such application in the project")
	ErrSpec       = errors.New("bad app.json")
	ErrPlatform   = errors.New("the application does not run on this platform")
	ErrPackage    = errors.New("bad application package")
	ErrVersion    = errors.New("application versions only go up")
	ErrExists     = errors.New("already exists")
)

// MaxDescriptor bounds the bytes of a descriptor.
const MaxDescriptor = 1 << 20

// Descriptor is the content of project.json: what a project is and which applications
// it runs. Fields of a newer version are ignored when read, but covered by the signature.
type Descriptor struct {
	ID      string    `json:"id"` // see ID
	Name    string    `json:"name"`
	Key     []byte    `json:"key"` // ed25519 public key
	Created time.Time `json:"created"`
	Serial  uint64    `json:"serial"`            // rises with each change: an older one is not accepted
	Gateway string    `json:"gateway,omitempty"` // its URL, if it has a lasting one
	Params  wob.Raw   `json:"params,omitempty"`  // of the project, for all applications
	Apps    []App     `json:"apps"`              // by name, then by rising version
}

// App is one version of an application in a descriptor.
type App struct {
	Name     string  `json:"name"`
	Version  string  `json:"version"`
	Size     int64   `json:"size"`   // bytes of the package
	SHA256   string  `json:"sha256"` // of the package, lower-case hex
	Threads  int     `json:"threads"`
	Boundary wob.Raw `json:"example,omitempty"` // a boundary to try it with
}

const idBytes = 20 // of a key's hash in an ID

// ID derives a project's id from its key: 32 characters of lower-case base32, the first
// 160 bits of the key's SHA-256. It is part of protocol IDs and topic names.
func ID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:idBytes]))
}

// ValidID reports whether a text has the form of a project's ID.
func ValidID(id string) bool {
	_, err := base32.StdEncoding.DecodeString(strings.ToUpper(id))
	return err == nil && len(id) == base32.StdEncoding.EncodedLen(idBytes) && id == strings.ToLower(id) && !strings.ContainsAny(id, "\r\n=")
}

// App returns an application: the highest version for a bare name, that very version
// for name@version. The error wraps ErrUnknownApp and names the known ones.
func (d *Descriptor) App(name string) (App, error) {
	base, version, pinned := strings.Cut(name, "@")
	for _, a := range slices.Backward(d.Apps) {
		if a.Name == base && (!pinned || a.Version == version) {
			return a, nil
		}
	}
	known := make([]string, len(d.Apps))
	for i, a := range d.Apps {
		known[i] = a.Name + "@" + a.Version
	}
	if len(known) == 0 {
		return App{}, fmt.Errorf("%w: %.100q; the project has no application yet", ErrUnknownApp, name)
	}
	return App{}, fmt.Errorf("%w: %.100q; it has %s", ErrUnknownApp, name, strings.Join(known, ", "))
}

// Newest returns the highest version of every application, by name.
func (d *Descriptor) Newest() []App {
	var newest []App
	for _, a := range d.Apps {
		if n := len(newest); n > 0 && newest[n-1].Name == a.Name {
			newest[n-1] = a
			continue
		}
		newest = append(newest, a)
	}
	return newest
}

// The signature is the last field of the document, in this very form, so that what is
// signed are bytes and not somebody's idea of canonical JSON: all bytes before it.
const (
	signatureOpen  = ",\n  \"signature\": \""
	signatureClose = "\"\n}\n"
	signatureScope = "wobcompute project descriptor 1\n" // no signature of ours means anything else
)

// Sign writes d as a signed document. The key must be the one of d's id.
func (d *Descriptor) Sign(key ed25519.PrivateKey) ([]byte, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || !bytes.Equal(pub, d.Key) {
		return nil, fmt.Errorf("%w: project.key is not the key of this project", ErrSignature)
	}
	if err := d.validate(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescriptor, err)
	}
	body := bytes.TrimSuffix(b, []byte("\n}"))
	sig := ed25519.Sign(key, append([]byte(signatureScope), body...))
	out := append(slices.Clone(body), signatureOpen...)
	out = append(out, base64.StdEncoding.EncodeToString(sig)...)
	out = append(out, signatureClose...)
	if len(out) > MaxDescriptor {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrDescriptor, MaxDescriptor)
	}
	return out, nil
}

// Verify checks a signed document and returns what it says. It accepts nothing that
// was not covered by the signature. The id is derived from the key in the document; who
// knows the project compares it (see VerifyFor).
func Verify(raw []byte) (*Descriptor, error) {
	if len(raw) > MaxDescriptor {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrDescriptor, MaxDescriptor)
	}
	at := bytes.LastIndex(raw, []byte(signatureOpen))
	if at < 0 {
		return nil, fmt.Errorf("%w: it has no signature", ErrSignature)
	}
	body := raw[:at]
	text, ok := bytes.CutSuffix(raw[at+len(signatureOpen):], []byte(signatureClose))
	if !ok {
		return nil, fmt.Errorf("%w: the signature is not its last field", ErrSignature)
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(sig) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: the signature is malformed", ErrSignature)
	}
	d := new(Descriptor)
	if err := json.Unmarshal(append(slices.Clone(body), "\n}"...), d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDescriptor, err)
	}
	if len(d.Key) != ed25519.PublicKeySize || !ed25519.Verify(d.Key, append([]byte(signatureScope), body...), sig) {
		return nil, ErrSignature
	}
	if err := d.validate(); err != nil {
		return nil, err
	}
	d.Params = tight(d.Params)
	for i := range d.Apps {
		d.Apps[i].Boundary = tight(d.Apps[i].Boundary)
	}
	return d, nil
}

// tight takes the document's indentation out of a value.
func tight(r wob.Raw) wob.Raw {
	var b bytes.Buffer
	if r.IsNull() || json.Compact(&b, []byte(r)) != nil {
		return r
	}
	return wob.Raw(b.String())
}

// VerifyFor is Verify for a project that is known: it refuses another project's
// document, and one that is older than serial.
func VerifyFor(raw []byte, id string, serial uint64) (*Descriptor, error) {
	d, err := Verify(raw)
	switch {
	case err != nil:
		return nil, err
	case d.ID != id:
		return nil, fmt.Errorf("%w: this is project %s, not %s", ErrSignature, d.ID, id)
	case d.Serial < serial:
		return nil, fmt.Errorf("%w: serial %d is older than %d, which was seen before", ErrDescriptor, d.Serial, serial)
	}
	return d, nil
}

func (d *Descriptor) validate() error {
	if len(d.Key) != ed25519.PublicKeySize || d.ID != ID(d.Key) {
		return fmt.Errorf("%w: the id does not belong to the key", ErrDescriptor)
	}
	if !validName(d.Name) {
		return fmt.Errorf("%w: name %.64q (letters, digits, '-', '_' and '.', at most %d)", ErrDescriptor, d.Name, maxName)
	}
	for i, a := range d.Apps {
		switch {
		case !validName(a.Name):
			return fmt.Errorf("%w: application name %.64q", ErrDescriptor, a.Name)
		case !validVersion(a.Version):
			return fmt.Errorf("%w: version %.64q of application %s", ErrDescriptor, a.Version, a.Name)
		case a.Size <= 0 || a.Size > MaxPackage || !validHash(a.SHA256):
			return fmt.Errorf("%w: size or hash of application %s %s", ErrDescriptor, a.Name, a.Version)
		case a.Threads < 1 || a.Threads > maxThreads:
			return fmt.Errorf("%w: %d threads of application %s %s", ErrDescriptor, a.Threads, a.Name, a.Version)
		case i > 0 && order(d.Apps[i-1], a) >= 0:
			return fmt.Errorf("%w: application %s %s is out of order", ErrDescriptor, a.Name, a.Version)
		}
	}
	return nil
}

// order sorts applications by name, then by version.
func order(a, b App) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return CompareVersions(a.Version, b.Version)
}
