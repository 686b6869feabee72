package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// env is what all commands share: where they write, and the common flags.
type env struct {
	out, err io.Writer
	ctx      context.Context
	started  bool  // the arguments were understood, a command runs
	wrong    error // help was asked for a command that is none

	json    bool
	data    string // --data
	gateway string // --gateway
	token   string // --token
	project string // --project
	log     string // --log
}

// run executes a command line and returns the exit code.
func run(args []string, out, errs io.Writer) int {
	to := &output{w: out}
	e := &env{out: to, err: errs, ctx: context.Background()}
	root := e.root()
	root.SetArgs(args)
	root.SetOut(to)
	root.SetErr(errs)
	err := root.Execute()
	if err == nil {
		err = e.wrong
	}
	if err == nil && to.failed != nil {
		e.started, err = true, fmt.Errorf("the output was not written: %w", to.failed)
	}
	if err == nil {
		return exitOK
	}
	code := exitCode(err)
	if !e.started { // cobra's own errors: unknown command or flag, wrong arguments
		code = exitUsage
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(errs, "wob: "+oneLine(text))
	}
	return code
}

// oneLine joins lines with semicolons, those that have something to say.
func oneLine(s string) string {
	var lines []string
	for line := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.Trim(line, " \t;"); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "wob",
		Short: "Peer-to-peer computing with workload objects",
		Long: "WOBCompute computes one large job on many computers, without a server that hands out tasks:\n" +
			"a node without work asks the others, and who holds work gives away a share of what is left of it.",
		Example:       "  wob demo\n  wob project new pi --dir pi\n  wob join http://gateway.example:8080 && wob node run",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		PersistentPreRun: func(*cobra.Command, []string) { e.started = true },
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if rest := cmd.Flags().Args(); len(rest) > 0 && cmd.HasAvailableSubCommands() {
			e.wrong = noCommand(cmd, rest[0])
			return
		}
		help(cmd, args)
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().BoolVar(&e.json, "json", false, "print JSON: one document, or one object a line")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(
		e.demoCmd(), e.projectCmd(), e.gatewayCmd(), e.nodeCmd(),
		e.joinCmd(), e.leaveCmd(), e.pauseCmd(), e.resumeCmd(), e.statusCmd(),
		e.submitCmd(), e.resultCmd(), e.lsCmd(), e.showCmd(), e.whereCmd(), e.treeCmd(), e.cancelCmd(),
		e.appCmd(), e.versionCmd(),
	)
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			e.checkTopic(c)
		}
	}
	return root
}

// checkTopic makes `wob help nonsense` wrong usage, as `wob nonsense --help` is.
func (e *env) checkTopic(help *cobra.Command) {
	show := help.Run
	help.Run, help.RunE = nil, func(cmd *cobra.Command, args []string) error {
		if of, rest, err := cmd.Root().Find(args); err == nil && len(rest) > 0 && of.HasAvailableSubCommands() {
			return noCommand(of, rest[0])
		}
		show(cmd, args)
		return nil
	}
}

func noCommand(cmd *cobra.Command, name string) error {
	return usage("there is no command `%s %s`; `%s --help` lists them", cmd.CommandPath(), name, cmd.CommandPath())
}

// group makes a command that only holds others.
func group(use, short, example string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return usage("`%s` needs a command; `%s --help` lists them", cmd.CommandPath(), cmd.CommandPath())
		},
	}
	c.AddCommand(subs...)
	return c
}

// want checks the number of arguments and says what they are.
func want(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > len(names):
			return usage("%q is one argument too many; see `%s --help`", args[len(names)], cmd.CommandPath())
		case len(args) < len(names):
			return usage("%s is missing; see `%s --help`", names[len(args)], cmd.CommandPath())
		}
		return nil
	}
}

// setting is a value by precedence: the flag if given, the environment, the fallback.
func setting(flag, name, fallback string) string {
	if flag != "" {
		return flag
	}
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// print writes v as one line of JSON.
func (e *env) print(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the output: %w", err)
	}
	_, err = fmt.Fprintf(e.out, "%s\n", b)
	return err
}

// say writes v as JSON with --json, the text otherwise.
func (e *env) say(v any, format string, args ...any) error {
	if e.json {
		return e.print(v)
	}
	_, err := fmt.Fprintf(e.out, format+"\n", args...)
	return err
}
