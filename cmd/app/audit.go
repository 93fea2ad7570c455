package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/banyan-tree/banyan/internal/audit"
)

func auditCommand(s *settings) *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check that money and stock add up, on the live shop",
		Long: `Audit runs the conservation checks of every module of this process against the
data, and against the payment provider's own ledger, and looks whether the data of
one is older than that of the others. It may run beside a live server: what is
merely under way is not a violation. How much was too recent to be judged, an order
of the last minute for one, is told; audit again later. Modules that other processes
run are named, not audited. Exit code 3 when it finds a violation, 1 when a check
could not run; the others are told all the same.`,
		Example: "  app audit\n  app audit --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				ctx, cancel := context.WithTimeout(operator(ctx), timeout)
				defer cancel()
				report, failed := audit.Run(ctx, shop.Checks, auditProgress(cmd.ErrOrStderr()))
				if failed != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
					failed = fmt.Errorf("not all could be checked within %s; raise --timeout: %w", timeout, failed)
				}
				report.Elsewhere = shop.elsewhere()
				err := report.Print(cmd.OutOrStdout(), asJSON)
				// What was found beside a check that could not run is told as well.
				if err = errors.Join(failed, err); err == nil && len(report.Findings) > 0 {
					return exit{code: exitPartial}
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "longest time the audit may take")
	return cmd
}

// auditProgress shows what is being checked: in place on a terminal, else a line
// now and then.
func auditProgress(stderr io.Writer) func(at string, examined int) {
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(stderr), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
		return func(at string, examined int) {
			bar.Describe(at)
			_ = bar.Set(examined)
		}
	}
	return audit.Lines(stderr)
}
