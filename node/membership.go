package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/project"
)

const (
	projectsDir    = "projects"
	membershipFile = "member.json"
)

// Membership is what a node keeps of a project it joined.
type Membership struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Gateway string    `json:"gateway"` // URL
	Joined  time.Time `json:"joined"`
}

// Enrol joins the project behind a gateway's URL on behalf of the node with this data
// directory: it verifies the descriptor, against the project ID pin if there is one,
// makes an identity for the project and enrols it. Doing so again is no error; the URL
// is brought up to date.
func Enrol(ctx context.Context, data, url, pin string) (Membership, error) {
	client := api.New(url, "")
	raw, err := client.Project(ctx)
	if err != nil {
		return Membership{}, err
	}
	d, err := project.Verify(raw)
	if err != nil {
		return Membership{}, fmt.Errorf("the gateway at %s: %w", url, err)
	}
	if pin != "" && d.ID != strings.ToLower(pin) {
		return Membership{}, fmt.Errorf("the gateway at %s serves project %s, not %s: %w", url, d.ID, pin, project.ErrSignature)
	}
	dir := filepath.Join(data, projectsDir, d.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Membership{}, fmt.Errorf("project directory: %w", err)
	}
	key, err := loadKey(dir)
	if err != nil {
		return Membership{}, err
	}
	client.Key = key
	if _, err := client.Enrol(ctx); err != nil {
		return Membership{}, fmt.Errorf("enrol: %w", err)
	}
	m := Membership{ID: d.ID, Name: d.Name, Gateway: url, Joined: time.Now().UTC().Truncate(time.Second)}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, fmt.Errorf("keep the membership: %w", err)
	}
	if err := writeFile(filepath.Join(dir, membershipFile), b, 0o600); err != nil {
		return m, fmt.Errorf("keep the membership: %w", err)
	}
	return m, nil
}

// Memberships lists the projects that the node with this data directory joined, ordered
// by ID.
func Memberships(data string) ([]Membership, error) {
	entries, err := os.ReadDir(filepath.Join(data, projectsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	var all []Membership
	for _, e := range entries {
		if !e.IsDir() {
			continue // nothing of ours
		}
		file := filepath.Join(data, projectsDir, e.Name(), membershipFile)
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // enrolment was not completed
		}
		var m Membership
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err == nil && m.ID != e.Name() {
			err = fmt.Errorf("names project %q", m.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: %w; `wob join URL` writes it again", file, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// Forget removes a project from the data directory of a node that does not run it:
// uninstall commands first, then all that was kept. name may be an ID, a unique prefix
// of it, or the project's name.
func Forget(ctx context.Context, data, name string) error {
	all, err := Memberships(data)
	if err != nil {
		return err
	}
	m, err := findMembership(all, name)
	if err != nil {
		return err
	}
	dir := filepath.Join(data, projectsDir, m.ID)
	var errs []error
	packages, err := os.ReadDir(filepath.Join(dir, "apps"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("packages: %w", err))
	}
	for _, e := range packages {
		pkg := filepath.Join(dir, "apps", e.Name())
		spec, err := project.ReadSpec(pkg, runtime.GOOS, runtime.GOARCH)
		if err == nil && len(spec.Uninstall) > 0 {
			if err := runTool(ctx, spec.Uninstall, pkg); err != nil {
				errs = append(errs, fmt.Errorf("uninstall command: %w", err))
			}
		}
	}
	errs = append(errs, project.Remove(dir)) // packages are read-only
	return errors.Join(errs...)
}
