// Command app is the whole shop in one binary, and everything an operator does
// with it. Run it without arguments to see what it can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/run"
)

// Exit codes. They are part of the interface: scripts rely on them.
const (
	exitOK      = 0
	exitFailed  = 1 // the command could not do its work
	exitUsage   = 2 // wrong arguments or settings
	exitPartial = 3 // done, but something was refused or found
)

// exit is an error that asks for an exit code of its own. An empty message is
// not printed: the command has said it all.
type exit struct {
	code    int
	message string
}

func (e exit) Error() string { return e.message }

func main() {
	outliveFileLimit()
	ctx, stop := run.Signals(context.Background())
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var asked exit
	var settings badSettings
	var wrong *config.Error
	var refused *fault.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &asked):
		if asked.message != "" {
			fmt.Fprintln(stderr, "app: "+asked.message)
		}
		return asked.code
	case errors.As(err, &settings), errors.As(err, &wrong):
		fmt.Fprintln(stderr, "app: "+err.Error())
		return exitUsage
	}
	fmt.Fprintln(stderr, "app: "+err.Error())
	if errors.As(err, &refused) {
		for _, f := range refused.Fields {
			fmt.Fprintf(stderr, "  %s: %s\n", f.Pointer, f.Detail)
		}
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "app",
		Short: "Banyan: a whole online shop in one binary, made to be taken apart",
		Long: `Banyan runs a whole online shop as one binary. Every bounded context is an
isolated module; any of them can later move out into a service of its own.

Settings come from banyan.yaml, then BANYAN_ variables, then flags; the later
win. See "app config show".

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 done but some
input was refused (import) or a violation was found (audit).`,
		Example:       "  app serve --demo\n  app import products.csv\n  app audit",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exit{exitUsage, fmt.Sprintf("%v; see \"%s --help\"", err, cmd.CommandPath())}
	})
	s := &settings{}
	s.flags(root)
	root.AddCommand(
		serveCommand(s), checkCommand(s), importCommand(s), migrateCommand(s), userCommand(s), auditCommand(s),
		sagaCommand(s), eventsCommand(s), projectionCommand(s), topologyCommand(s), configCommand(s), versionCommand(),
	)
	root.AddCommand(sourceCommands()...)
	wrapArgs(root)
	return root
}

// wrapArgs gives complaints about arguments and missing flags the exit code of
// wrong usage.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				err = cmd.ValidateRequiredFlags()
			}
			if err != nil {
				return exit{exitUsage, fmt.Sprintf("%v; see \"%s --help\"", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}
