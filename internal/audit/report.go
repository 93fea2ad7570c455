package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what the checks said.
type Report struct {
	Checks     []Result  `json:"checks"` // those that could run
	Findings   []Finding `json:"findings"`
	NotChecked []Hole    `json:"not_checked,omitempty"`
	// Elsewhere are the modules that other processes run: their checks are not here.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// Result is how a check that could run went.
type Result struct {
	Rule       string `json:"rule"`
	Says       string `json:"says"`
	Examined   int    `json:"examined"`
	UnderWay   int    `json:"under_way"` // too recent, or not far enough, to be judged
	Violations int    `json:"violations"`
}

// Hole is a check that could not run, or not to its end.
type Hole struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// Run runs every check, and tells which is under way and how much it has looked at.
// A check that cannot run is an error, for an audit with holes is none; the others
// run all the same, until ctx ends.
func Run(ctx context.Context, checks []Check, progress func(at string, examined int)) (Report, error) {
	report := Report{Checks: []Result{}, Findings: []Finding{}}
	var failed []error
	for i, check := range checks {
		if err := ctx.Err(); err != nil {
			report.NotChecked = append(report.NotChecked, Hole{check.Rule, "not begun: " + err.Error()})
			continue
		}
		at := fmt.Sprintf("%s (%d of %d)", check.Rule, i+1, len(checks))
		progress(at, 0)
		watched := Watched(ctx, func(examined int) { progress(at, examined) })
		result := Result{Rule: check.Rule, Says: check.Says}
		watched = context.WithValue(watched, leaver{}, func(n int) { result.UnderWay += n })
		examined, err := check.Run(watched, func(subject, detail string) {
			result.Violations++
			report.Findings = append(report.Findings, Finding{Rule: check.Rule, Subject: subject, Detail: detail})
		})
		if err != nil {
			report.NotChecked = append(report.NotChecked, Hole{check.Rule, err.Error()})
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

// lineEvery is how often a long audit that is watched by no terminal says where it is.
const lineEvery = time.Minute

// Lines gives a progress that writes a line now and then.
func Lines(out io.Writer) func(at string, examined int) {
	last := time.Now()
	return func(at string, examined int) {
		if time.Since(last) >= lineEvery {
			last = time.Now()
			_, _ = fmt.Fprintf(out, "%s: %d examined\n", at, examined)
		}
	}
}

// Print writes the report, as JSON or for people.
func (r Report) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tEXAMINED\tVIOLATIONS")
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%s\t%d\t%d\n", c.Rule, c.Examined, c.Violations)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := r.printUnderWay(out); err != nil {
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
	if len(r.Elsewhere) > 0 {
		fmt.Fprintf(out, "\nNot audited: %s\n  Other processes run them: app audit with the settings of such a process, or NAME audit of a service, looks at them.\n",
			strings.Join(r.Elsewhere, ", "))
	}
	if len(r.Findings) == 0 {
		says := "No violation found."
		if len(r.NotChecked) > 0 {
			says = "No violation found in what was checked."
		}
		_, err := fmt.Fprintln(out, "\n"+says)
		return err
	}
	says := "violations"
	if len(r.Findings) == 1 {
		says = "violation"
	}
	_, err := fmt.Fprintf(out, "\n%d %s found.\n", len(r.Findings), says)
	return err
}

// printUnderWay tells what was left out: a check that has examined nothing for it has
// not found everything right.
func (r Report) printUnderWay(out io.Writer) error {
	left := false
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, c := range r.Checks {
		if c.UnderWay == 0 {
			continue
		}
		if !left {
			fmt.Fprint(out, "\nNot judged yet, since they changed just now or are under way; audit again later:\n")
		}
		left = true
		fmt.Fprintf(w, "  %s\t%d\n", c.Rule, c.UnderWay)
	}
	return w.Flush()
}
