package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wobcompute/wobcompute/node/project"
)

func (e *env) projectCmd() *cobra.Command {
	return group("project", "Make a project and its applications",
		"  wob project new pi --dir pi\n  wob project app add --project pi ./primes",
		e.projectNewCmd(),
		group("app", "The applications of a project", "  wob project app add --project pi ./primes", e.projectAppAddCmd()))
}

func (e *env) projectNewCmd() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a project: its key, its descriptor and its owner's token",
		Long: "Makes a directory with project.json (public, signed), project.key (the project's key: keep it safe) and\n" +
			"owner.token (for the commands that submit and cancel work).",
		Example: "  wob project new pi --dir ~/pi",
		Args:    want("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if dir == "" {
				dir = args[0]
			}
			d, err := project.New(args[0], dir)
			if errors.Is(err, project.ErrDescriptor) {
				return usage("%w", err)
			}
			if err != nil {
				return err
			}
			token, err := project.Token(dir)
			if err != nil {
				return err
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				abs = dir
			}
			return e.say(map[string]string{"id": d.ID, "name": d.Name, "dir": abs, "token": token},
				"Project %s (%s) is in %s.\nNext: wob project app add --project %s APPDIR, then wob gateway run --project %s",
				d.Name, d.ID, abs, dir, dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "where to put it (default: a new directory NAME here)")
	return c
}

// quoted lists names that come from elsewhere.
func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = strconv.Quote(n)
	}
	return strings.Join(all, ", ")
}

func (e *env) projectAppAddCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "add APPDIR",
		Short: "Pack, sign and add an application, or a new version of one",
		Long: "Packs the directory, which holds an app.json, and signs its hash into the project's descriptor.\n" +
			"A gateway that runs serves it at once, and nodes that run install it.",
		Example: "  wob project app add --project pi ./primes",
		Args:    want("APPDIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if e.project == "" {
				return usage("say which project with --project DIR")
			}
			if _, _, err := project.Load(e.project); err != nil {
				return usage("%w", err)
			}
			a, err := project.AddApp(e.project, args[0])
			switch {
			case errors.Is(err, project.ErrSpec), errors.Is(err, project.ErrPackage),
				errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
				return usage("%w", err)
			case err != nil:
				return err
			}
			if unknown := project.UnknownFields(args[0]); len(unknown) > 0 {
				fmt.Fprintf(e.err, "wob: warning: %s has fields that mean nothing here: %s\n",
					filepath.Join(args[0], project.SpecFile), quoted(unknown))
			}
			return e.say(a, "Added %s %s, %s.", a.Name, a.Version, bytesText(a.Size))
		},
	}
	c.Flags().StringVar(&e.project, "project", "", "the project directory")
	return c
}
