package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/wob"
)

// SpecFile is the name of the file that describes an application in its package.
const SpecFile = "app.json"

// Defaults of an app.json.
const (
	DefaultCheckpoint = 60 * time.Second
	maxSpec           = 1 << 20 // bytes of an app.json
	minCheckpoint     = 100 * time.Millisecond
	maxDuration       = 24 * time.Hour
	maxArgs           = 1024
)

// AppSpec is an application as its app.json describes it, for one platform.
type AppSpec struct {
	Name       string
	Version    string
	Threads    int           // slots one process takes
	Checkpoint time.Duration // interval between two checkpoints
	Timeout    time.Duration // raises the deadlines of the application protocol; 0: as they are
	Run        []string      // argument vectors, never shell strings
	Install    []string      // run once after extraction; may be empty
	Uninstall  []string      // run when the node leaves; may be empty
	Params     wob.Raw       // for the application, in the answer to Start
	Example    wob.Raw       // a boundary to try it with
	Platforms  []string      // GOOS/GOARCH pairs that have a vector of their own, sorted
}

// specFile is app.json as it stands.
type specFile struct {
	Name       string                  `json:"name"`
	Version    string                  `json:"version"`
	Threads    *int                    `json:"threads"`
	Checkpoint string                  `json:"checkpoint"`
	Timeout    string                  `json:"timeout"`
	Run        []string                `json:"run"`
	Install    []string                `json:"install"`
	Uninstall  []string                `json:"uninstall"`
	Platforms  map[string]platformSpec `json:"platforms"`
	Params     wob.Raw                 `json:"params"`
	Example    wob.Raw                 `json:"example"`
}

// platformSpec overrides what it names for one platform.
type platformSpec struct {
	Run       []string `json:"run"`
	Install   []string `json:"install"`
	Uninstall []string `json:"uninstall"`
}

// ReadSpec reads DIR/app.json for a platform (runtime.GOOS, runtime.GOARCH). The error
// wraps ErrSpec, or ErrPlatform if the application has no program for it.
func ReadSpec(dir, goos, goarch string) (*AppSpec, error) {
	name := filepath.Join(dir, SpecFile)
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing; an application is a directory with an app.json", ErrSpec, name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if info.Size() > maxSpec {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrSpec, name, maxSpec)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return ParseSpec(b, goos, goarch)
}

// ParseSpec reads the content of an app.json for a platform. Unknown fields are ignored.
func ParseSpec(b []byte, goos, goarch string) (*AppSpec, error) {
	f, err := parseSpec(b)
	if err != nil {
		return nil, err
	}
	s := &AppSpec{Name: f.Name, Version: f.Version, Threads: 1, Checkpoint: DefaultCheckpoint,
		Run: f.Run, Install: f.Install, Uninstall: f.Uninstall, Params: f.Params, Example: f.Example}
	if f.Threads != nil {
		s.Threads = *f.Threads
	}
	if f.Checkpoint != "" {
		s.Checkpoint, _ = time.ParseDuration(f.Checkpoint) // checked
	}
	if f.Timeout != "" {
		s.Timeout, _ = time.ParseDuration(f.Timeout) // checked
	}
	for p := range f.Platforms {
		s.Platforms = append(s.Platforms, p)
	}
	slices.Sort(s.Platforms)
	if p, ok := f.Platforms[goos+"/"+goarch]; ok {
		s.Run = override(s.Run, p.Run)
		s.Install = override(s.Install, p.Install)
		s.Uninstall = override(s.Uninstall, p.Uninstall)
	}
	if len(s.Run) == 0 {
		return nil, fmt.Errorf("%w: %s %s has programs for %s, this is %s/%s", ErrPlatform, s.Name, s.Version,
			strings.Join(s.Platforms, ", "), goos, goarch)
	}
	return s, nil
}

func override(general, special []string) []string {
	if special != nil {
		return special
	}
	return general
}

func parseSpec(b []byte) (*specFile, error) {
	f := new(specFile)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, specError(err))
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return f, nil
}

func (f *specFile) validate() error {
	switch {
	case !validName(f.Name):
		return fmt.Errorf("\"name\": %.64q; use letters, digits, '-', '_' and '.', at most %d", f.Name, maxName)
	case !validVersion(f.Version):
		return fmt.Errorf("\"version\": %.64q is not a version such as 1.0.0", f.Version)
	case f.Threads != nil && (*f.Threads < 1 || *f.Threads > maxThreads):
		return fmt.Errorf("\"threads\": %d is not in 1..%d", *f.Threads, maxThreads)
	case len(f.Run) == 0 && len(f.Platforms) == 0:
		return errors.New("\"run\" is missing: the program and its arguments")
	}
	if err := checkDuration("checkpoint", f.Checkpoint, minCheckpoint); err != nil {
		return err
	}
	if err := checkDuration("timeout", f.Timeout, time.Second); err != nil {
		return err
	}
	vectors := map[string][]string{"run": f.Run, "install": f.Install, "uninstall": f.Uninstall}
	for p, v := range f.Platforms {
		if goos, goarch, ok := strings.Cut(p, "/"); !ok || !validName(goos) || !validName(goarch) {
			return fmt.Errorf("\"platforms\": %.64q is not an operating system and an architecture such as linux/arm64", p)
		}
		if len(f.Run) == 0 && len(v.Run) == 0 {
			return fmt.Errorf("\"platforms\": %s has no \"run\"", p)
		}
		vectors["platforms "+p+" run"], vectors["platforms "+p+" install"], vectors["platforms "+p+" uninstall"] = v.Run, v.Install, v.Uninstall
	}
	for name, v := range vectors {
		if len(v) > 0 && v[0] == "" || len(v) > maxArgs {
			return fmt.Errorf("%q: not an argument vector", name)
		}
		for _, a := range v {
			if strings.ContainsRune(a, 0) {
				return fmt.Errorf("%q: an argument has a zero byte", name)
			}
		}
	}
	return nil
}

func checkDuration(name, text string, least time.Duration) error {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > maxDuration {
		return fmt.Errorf("%q: %.32q is not a duration such as 60s, from %s to %s", name, text, least, maxDuration)
	}
	return nil
}
