//go:build !lean

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/boundary"
	"github.com/banyan-tree/banyan/internal/contract"
)

// contractFlags are those of "app contracts".
type contractFlags struct {
	source, dir, against, accept string
	asJSON                       bool
	read                         surveying
}

// surveying reads the source tree around a folder.
type surveying func(source string) (root string, survey *boundary.Survey, err error)

func readSource(source string) (string, *boundary.Survey, error) {
	root, module, err := boundary.FindSource(source)
	if err != nil {
		return "", nil, exit{exitUsage, err.Error()}
	}
	survey, err := boundary.Read(root, module)
	return root, survey, err
}

func contractsCommand(read surveying) *cobra.Command {
	f := &contractFlags{read: read}
	cmd := &cobra.Command{
		Use:   "contracts",
		Short: "Record what each module promises to the others, and tell what a change breaks",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.source, "source", "", "folder of the repository (default: the one around the working directory)")
	cmd.PersistentFlags().StringVar(&f.dir, "dir", "docs/contracts", "folder of the recorded contracts, in the repository")
	export := &cobra.Command{
		Use:   "export",
		Short: "Record the present contracts",
		Long: `Export writes one JSON document for each module - its methods with their kinds,
deadlines, keys and error codes, and its events, each with the JSON Schema of what
it carries - and one AsyncAPI 3.0 document of all that travels over the broker.

It refuses to record what breaks the contracts that are recorded already. Where
that is meant, --accept gives the reason, which is kept beside the contracts. See
docs/contracts/README.md for how to change a contract without breaking anybody.

Exit codes: 0 recorded, 1 refused or failed, 2 wrong arguments.`,
		Example: "  app contracts export\n  app contracts export --accept \"nobody called it since May\"",
		Args:    cobra.NoArgs,
		RunE:    f.export,
	}
	export.Flags().StringVar(&f.accept, "accept", "", "record what breaks, for this reason")
	check := &cobra.Command{
		Use:   "check",
		Short: "Tell what the present contracts break, and whether their record is fresh",
		Long: `Check compares the present contracts with those recorded in docs/contracts, or in
another folder, or at a commit of this clone. It lists what changed: what breaks,
for which consumer, why, and what to do instead; what needs care; what was merely
added. Without --against it also fails where the record is not fresh.

Exit codes: 0 nothing breaks, 1 something does or the record is stale, 2 wrong
arguments.`,
		Example: "  app contracts check\n  app contracts check --against origin/main\n  app contracts check --against v1.4.0 --json",
		Args:    cobra.NoArgs,
		RunE:    f.check,
	}
	check.Flags().StringVar(&f.against, "against", "", "a folder of recorded contracts, or a commit, branch or tag that has them")
	check.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	cmd.AddCommand(export, check)
	return cmd
}

// present is what a command finds in the source tree.
type present struct {
	root  string
	dir   string // of the recorded contracts
	set   contract.Set
	users contract.Users
}

func (f *contractFlags) present() (*present, error) {
	root, survey, err := f.read(f.source)
	if err != nil {
		return nil, err
	}
	p := &present{root: root, dir: f.dir}
	if !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(root, p.dir)
	}
	p.set, p.users, err = contractsOf(root, survey)
	return p, err
}

func (p *present) files(accepted []contract.Acceptance) (contract.Files, error) {
	return p.set.Print(accepted, p.set.AsyncAPI(p.users, onTheWire()))
}

func (f *contractFlags) export(cmd *cobra.Command, _ []string) error {
	p, err := f.present()
	if err != nil {
		return err
	}
	old, accepted, err := recordedIn(p.dir)
	if err != nil {
		return err
	}
	if old != nil {
		changes := contract.Compare(old, p.set, p.users)
		contract.Accept(changes, accepted)
		report := contract.NewReport(f.dir, changes)
		if report.Breaking > 0 && strings.TrimSpace(f.accept) == "" {
			if err := report.Print(cmd.OutOrStdout()); err != nil {
				return err
			}
			return exit{exitFailed, "nothing was recorded, because this breaks somebody; do as said under \"instead\", or give a reason with --accept"}
		}
		accepted = contract.AcceptAll(changes, accepted, f.accept)
	}
	files, err := p.files(accepted)
	if err != nil {
		return err
	}
	return files.WriteFolder(p.dir)
}

// recordedIn reads a folder; without one there is nothing to compare with.
func recordedIn(dir string) (contract.Set, []contract.Acceptance, error) {
	files, err := contract.ReadFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	set, accepted, err := files.Parse()
	if err == nil && len(set) == 0 { // a folder with a README only
		set = nil
	}
	return set, accepted, err
}

func (f *contractFlags) check(cmd *cobra.Command, _ []string) error {
	p, err := f.present()
	if err != nil {
		return err
	}
	here, err := contract.ReadFolder(p.dir)
	if err != nil {
		return exit{exitUsage, fmt.Sprintf("%v; record them with \"app contracts export\"", err)}
	}
	recorded, accepted, err := here.Parse()
	if err != nil {
		return err
	}
	against := f.dir
	if f.against != "" {
		against = f.against
		there, err := f.readThere(cmd.Context(), p)
		if err != nil {
			return exit{exitUsage, err.Error()}
		}
		if recorded, _, err = there.Parse(); err != nil {
			return fmt.Errorf("%s: %w", against, err)
		}
	}
	changes := contract.Compare(recorded, p.set, p.users)
	contract.Accept(changes, accepted)
	report := contract.NewReport(against, changes)
	if f.asJSON {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = report.Print(cmd.OutOrStdout())
	}
	if err != nil {
		return err
	}
	if report.Breaking > 0 {
		return exit{code: exitFailed}
	}
	if f.against != "" {
		return nil
	}
	files, err := p.files(accepted)
	if err != nil {
		return err
	}
	if stale := files.Stale(here); len(stale) > 0 {
		return exit{exitFailed, fmt.Sprintf("%s is stale (%s): run \"app contracts export\" and commit what it writes", f.dir, strings.Join(stale, ", "))}
	}
	return nil
}

// readThere reads what --against names: a folder where there is one, else a commit.
func (f *contractFlags) readThere(ctx context.Context, p *present) (contract.Files, error) {
	if info, err := os.Stat(f.against); err == nil && info.IsDir() {
		return contract.ReadFolder(f.against)
	}
	within, err := filepath.Rel(p.root, p.dir)
	if err != nil {
		return nil, err
	}
	return contract.ReadGit(ctx, p.root, f.against, within)
}
