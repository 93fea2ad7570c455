package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
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
		Long: `Audit runs every module's conservation checks against the data, and against
the payment provider's own ledger. It may run beside a live server: what is
merely under way is not a violation. Exit code 3 when it finds one, 1 when a check
could not run; the others are told all the same.`,
		Example: "  app audit\n  app audit --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				ctx, cancel := context.WithTimeout(operator(ctx), timeout)
				defer cancel()
				report, failed := runAudit(ctx, shop.Checks, auditProgress(cmd.ErrOrStderr()))
				if failed != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
					failed = fmt.Errorf("not all could be checked within %s; raise --timeout: %w", timeout, failed)
				}
				var err error
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), report)
				} else {
					err = report.print(cmd.OutOrStdout())
				}
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

// auditReport is what the checks said.
type auditReport struct {
	Checks     []checkResult   `json:"checks"` // those that could run
	Findings   []audit.Finding `json:"findings"`
	NotChecked []hole          `json:"not_checked,omitempty"`
}

// hole is a check that could not run, or not to its end.
type hole struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

type checkResult struct {
	Rule       string `json:"rule"`
	Says       string `json:"says"`
	Examined   int    `json:"examined"`
	Violations int    `json:"violations"`
}

// runAudit runs every check, and tells which is under way and how much it has
// looked at. A check that cannot run is an error, for an audit with holes is none; the
// others run all the same, until ctx ends.
func runAudit(ctx context.Context, checks []audit.Check, progress func(at string, examined int)) (auditReport, error) {
	report := auditReport{Checks: []checkResult{}, Findings: []audit.Finding{}}
	var failed []error
	for i, check := range checks {
		if err := ctx.Err(); err != nil {
			report.NotChecked = append(report.NotChecked, hole{check.Rule, "not begun: " + err.Error()})
			continue
		}
		at := fmt.Sprintf("%s (%d of %d)", check.Rule, i+1, len(checks))
		progress(at, 0)
		watched := audit.Watched(ctx, func(examined int) { progress(at, examined) })
		result := checkResult{Rule: check.Rule, Says: check.Says}
		examined, err := check.Run(watched, func(subject, detail string) {
			result.Violations++
			report.Findings = append(report.Findings, audit.Finding{Rule: check.Rule, Subject: subject, Detail: detail})
		})
		if err != nil {
			report.NotChecked = append(report.NotChecked, hole{check.Rule, err.Error()})
			failed = append(failed, fmt.Errorf("check %s: %w", check.Rule, err))
			continue
		}
		result.Examined = examined
		report.Checks = append(report.Checks, result)
	}
	if len(report.NotChecked) > len(failed) {
		failed = append(failed, ctx.Err())
	}
	return report, errors.Join(failed...)
}

// auditEvery is how often a long audit that is watched by no terminal says where it is.
const auditEvery = time.Minute

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
	last := time.Now()
	return func(at string, examined int) {
		if time.Since(last) >= auditEvery {
			last = time.Now()
			_, _ = fmt.Fprintf(stderr, "%s: %d examined\n", at, examined)
		}
	}
}

// print writes the report for people.
func (r auditReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tEXAMINED\tVIOLATIONS")
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", c.Rule, c.Examined, c.Violations)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "\nVIOLATION of %s\n  %s: %s\n", f.Rule, f.Subject, f.Detail)
	}
	if len(r.NotChecked) > 0 {
		rules := make([]string, len(r.NotChecked))
		for i, h := range r.NotChecked {
			rules[i] = h.Rule
		}
		fmt.Fprintf(out, "\nNot checked: %s\n", strings.Join(rules, ", "))
	}
	if len(r.Findings) == 0 {
		says := "No violation found."
		if len(r.NotChecked) > 0 {
			says = "No violation found in what was checked."
		}
		_, err := fmt.Fprintln(out, "\n"+says)
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d violations found.\n", len(r.Findings))
	return err
}
