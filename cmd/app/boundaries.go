//go:build !lean

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/boundary"
)

// boundaryFlags are those of "app boundaries".
type boundaryFlags struct {
	source, baseline, observed, graph, svg string
	write, asJSON                          bool
}

func boundariesCommand() *cobra.Command {
	var f boundaryFlags
	cmd := &cobra.Command{
		Use:   "boundaries [module...]",
		Short: "Tell what would block taking a module out, read from the source",
		Long: `Boundaries reads the source tree and reports, for each module, what would block
its extraction into a service, on three planes:

  imports       packages of other modules beyond their contracts
  SQL           tables of other owners, in migrations, row types and statements
  transactions  write transactions that call other modules or the outside, or
                span two databases

Each finding has its place, and what to do instead. The reading needs no compiler
and no database. With --observed it adds what the guard of the databases saw
while tests or a server ran (see the setting boundaries.file).

A baseline lists findings that are tolerated for now. It may only shrink: an
entry that is no longer found fails, and --write-baseline adds nothing to a
baseline that exists.

Exit codes: 0 nothing blocks, 1 something does, 2 wrong arguments.`,
		Example: "  app boundaries\n  app boundaries payments --json\n  app boundaries --graph mermaid --svg boundaries.svg",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, modules []string) error {
			return f.run(cmd, modules)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "folder of the repository (default: the one around the working directory)")
	flags.StringVar(&f.baseline, "baseline", "", "file of findings that are tolerated")
	flags.BoolVar(&f.write, "write-baseline", false, "write the baseline file: a new one, or what is left of an old one")
	flags.StringVar(&f.observed, "observed", "", "file of JSON lines that the guard of the databases wrote")
	flags.StringVar(&f.graph, "graph", "", "print the graph of the modules instead: mermaid")
	flags.StringVar(&f.svg, "svg", "", "draw the graph of the modules into this file")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f boundaryFlags) run(cmd *cobra.Command, modules []string) error {
	switch {
	case f.write && f.baseline == "":
		return exit{exitUsage, "--write-baseline needs the file: add --baseline FILE"}
	case f.write && len(modules) > 0:
		return exit{exitUsage, "--write-baseline is for all modules at once: name none"}
	case f.graph != "" && f.graph != "mermaid":
		return exit{exitUsage, fmt.Sprintf("--graph %q: only mermaid is known; for a picture use --svg FILE", f.graph)}
	}
	root, module, err := boundary.FindSource(f.source)
	if err != nil {
		return exit{exitUsage, err.Error()}
	}
	survey, err := boundary.Read(root, module)
	if err != nil {
		return err
	}
	if f.observed != "" {
		seen, err := boundary.ReadObserved(f.observed)
		if err != nil {
			return err
		}
		survey.Findings = append(survey.Findings, seen...)
		boundary.SortFindings(survey.Findings)
	}
	if f.svg != "" {
		if err := os.WriteFile(f.svg, []byte(survey.Graph.SVG()), 0o644); err != nil { //nolint:gosec // a picture for everybody
			return fmt.Errorf("draw the graph: %w", err)
		}
	}
	switch {
	case f.graph != "":
		_, err := fmt.Fprint(cmd.OutOrStdout(), survey.Graph.Mermaid())
		return err
	case f.svg != "":
		return nil
	}
	return f.report(cmd, survey, modules)
}

func (f boundaryFlags) report(cmd *cobra.Command, survey *boundary.Survey, modules []string) error {
	var baseline *boundary.Baseline
	if f.baseline != "" {
		if f.write {
			if err := boundary.WriteBaseline(f.baseline, survey.Findings); err != nil {
				return err
			}
		}
		var err error
		if baseline, err = boundary.ReadBaseline(f.baseline); err != nil {
			return err
		}
		if baseline == nil {
			return exit{exitUsage, fmt.Sprintf("there is no baseline %s: make one with --write-baseline", f.baseline)}
		}
	}
	report, err := survey.Report(modules, baseline)
	if err != nil {
		return exit{exitUsage, err.Error()}
	}
	if f.asJSON {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = report.Print(cmd.OutOrStdout())
	}
	if err == nil && !report.Clean() {
		return exit{code: exitFailed}
	}
	return err
}
