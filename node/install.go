package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/wobcompute/wobcompute/gateway/api"
	"github.com/wobcompute/wobcompute/node/app"
	"github.com/wobcompute/wobcompute/node/project"
	"github.com/wobcompute/wobcompute/work"
)

// Times of the installer.
const (
	lookEvery   = 15 * time.Second // for new versions, besides every rise of the workload
	fetchWait   = 30 * time.Minute // one package of at most 512 MiB over a slow line
	installWait = 30 * time.Minute
)

// lookForApps asks the gateway for the descriptor, beside the loop, and installs what is
// new. It runs on the loop; calls that come while the installer works make one more round.
func (p *Project) lookForApps() {
	if p.cfg.Slots == 0 {
		return
	}
	if p.looking {
		p.lookAgain = true
		return
	}
	p.looking, p.lookAgain = true, false
	have := p.installedVersions()
	p.spawn(func() {
		ctx, cancel := context.WithTimeout(p.ctx, fetchWait+installWait)
		defer cancel()
		p.install(ctx, have)
		p.box.post(func() {
			p.looking = false
			if p.lookAgain {
				p.lookForApps()
			}
		})
	})
}

// keepLooking repeats lookForApps: a running project takes a new application without a
// restart of anything.
func (p *Project) keepLooking() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.box.post(func() { p.lookForApps() })
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *Project) installedVersions() map[string]string {
	have := make(map[string]string, len(p.commands))
	for name, c := range p.commands {
		have[name] = c.Version
	}
	return have
}

// install brings every application of the project to its newest version. A failure is
// logged and tried again at the next look; the other applications go on.
func (p *Project) install(ctx context.Context, have map[string]string) {
	d, err := p.descriptor(ctx)
	if err != nil {
		if errors.Is(err, api.ErrDown) {
			p.gatewayDown(err)
		}
		return
	}
	for _, a := range d.Newest() {
		if have[a.Name] == a.Version {
			continue
		}
		cmd, err := p.installApp(ctx, a)
		if err != nil {
			if ctx.Err() == nil {
				p.logger.Error("Application not installed", "app", a.Name, "version", a.Version, "err", err)
			}
			continue
		}
		p.logger.Info("Application installed", "app", a.Name, "version", a.Version)
		p.box.post(func() { p.installed(cmd) })
	}
}

// descriptor fetches and verifies the project's descriptor; without the gateway the one
// of last time serves. One that is older than it or does not verify is refused, and the
// one of last time goes on to serve.
func (p *Project) descriptor(ctx context.Context) (*project.Descriptor, error) {
	file := filepath.Join(p.cfg.Dir, "project.json")
	var last uint64
	known, knownErr := os.ReadFile(file)
	var old *project.Descriptor
	if knownErr == nil {
		if old, knownErr = project.VerifyFor(known, p.cfg.ID, 0); knownErr == nil {
			last = old.Serial
		}
	}
	raw, err := p.gateway.Project(ctx)
	if err != nil {
		if old != nil {
			return old, nil
		}
		return nil, err
	}
	d, err := project.VerifyFor(raw, p.cfg.ID, last)
	if err != nil {
		p.logger.Error("Project descriptor refused", "gateway", p.gateway.URL, "err", err)
		if old != nil {
			return old, nil
		}
		return nil, err
	}
	if !bytes.Equal(raw, known) {
		if err := writeFile(file, raw, 0o600); err != nil {
			return nil, fmt.Errorf("keep the descriptor: %w", err)
		}
	}
	return d, nil
}

// installed makes an application known to the machines; it runs on the loop.
func (p *Project) installed(cmd app.Command) {
	p.commands[cmd.Name] = cmd
	names := make([]string, 0, len(p.commands))
	for name := range p.commands {
		names = append(names, name)
	}
	slices.Sort(names)
	in := work.Apps{}
	for _, name := range names {
		c := p.commands[name]
		in.Installed = append(in.Installed, work.App{Name: c.Name, Version: c.Version, Threads: c.Threads, Checkpoint: c.Checkpoint})
	}
	p.local(in)
}

// installApp fetches, verifies and extracts one package unless that is done already,
// and runs its install command once.
func (p *Project) installApp(ctx context.Context, a project.App) (app.Command, error) {
	dir := filepath.Join(p.cfg.Dir, "apps", a.Name+"-"+a.Version)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := p.fetchApp(ctx, a, dir); err != nil {
			return app.Command{}, err
		}
	}
	spec, err := project.ReadSpec(dir, runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return app.Command{}, err
	}
	if err := p.runInstall(ctx, spec, dir); err != nil {
		return app.Command{}, err
	}
	return app.Command{
		Dir: dir, Run: spec.Run, Params: spec.Params, Timeout: spec.Timeout, Name: spec.Name, Version: spec.Version,
		Threads: spec.Threads, Checkpoint: spec.Checkpoint, Project: p.cfg.ID,
		LogFile: filepath.Join(p.cfg.Dir, "logs", spec.Name+".log"),
	}, nil
}

func (p *Project) fetchApp(ctx context.Context, a project.App, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("package directory: %w", err)
	}
	r, w := io.Pipe()
	go func() {
		_, err := p.gateway.App(ctx, a.Name, a.Version, w)
		w.CloseWithError(err) // nil reads as the end of the package
	}()
	err := project.Extract(r, a, dir)
	r.CloseWithError(err) // ends a download that nobody reads any more
	return err
}

// runInstall runs the package's install command once; the mark beside the package says
// that it succeeded.
func (p *Project) runInstall(ctx context.Context, spec *project.AppSpec, dir string) error {
	mark := dir + ".installed"
	if _, err := os.Stat(mark); err == nil || len(spec.Install) == 0 {
		return nil
	}
	if err := runTool(ctx, spec.Install, dir); err != nil {
		return fmt.Errorf("install command of %s: %w", spec.Name, err)
	}
	return writeFile(mark, nil, 0o600)
}

// runTool runs a package's install or uninstall command in its directory.
func runTool(ctx context.Context, argv []string, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, installWait)
	defer cancel()
	name := argv[0]
	if strings.ContainsRune(name, '/') && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	cmd := exec.CommandContext(ctx, name, argv[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
	cmd.WaitDelay = 5 * time.Second
	ownGroup(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, tail(out, 2048))
	}
	return nil
}

func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return strings.ToValidUTF8(string(b), "?")
}
