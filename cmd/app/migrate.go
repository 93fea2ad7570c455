package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/host"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

func migrateCommand(s *settings) *cobra.Command {
	var status, asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables of every module up to date",
		Long: `Migrate applies what is missing, module by module, each under a lock, so that
several instances may start at once. "app serve" does the same when it starts, for
the same modules: those that the setting "modules" names, and the payment sandbox
where it runs. A database that a newer binary has brought further is left as it is.

With --status nothing is applied. Where a module has nothing yet, its empty file, or
role and schema, is made all the same, with the tables that count versions.`,
		Example: "  app migrate --status\n  app migrate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd)
			if err != nil {
				return err
			}
			log, err := telemetry.NewLogger(cmd.ErrOrStderr(), telemetry.LogOptions{Level: "warn", Format: "text"})
			if err != nil {
				return err
			}
			cluster, err := host.OpenCluster(cmd.Context(), host.Deps{Config: cfg, Log: log})
			if err != nil {
				return err
			}
			defer func() { _ = cluster.Close() }()
			rows, err := migrateAll(cmd.Context(), cluster, keeps(cfg), status)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "MODULE\tSET\tVERSION\tPENDING")
			for _, r := range rows {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", r.Module, r.Set, r.Version, r.Pending)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "only tell what is applied and what is pending")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// migrationRow is how far one set of one module is.
type migrationRow struct {
	Module  string `json:"module"`
	Set     string `json:"set"`
	Version int64  `json:"version"`
	Pending int    `json:"pending"`
}

// keeps are those whose tables a process with these settings has.
func keeps(cfg config.Config) []module {
	here := slices.DeleteFunc(slices.Clone(modules), func(m module) bool { return !cfg.Runs(m.name) })
	if sandboxed(cfg) {
		here = append(here, module{name: "sandbox", weight: sandboxWeight, migrations: sandbox.Migrations})
	}
	return here
}

func migrateAll(ctx context.Context, cluster *database.Cluster, here []module, onlyStatus bool) ([]migrationRow, error) {
	rows := []migrationRow{}
	for _, m := range here {
		db, err := cluster.Module(ctx, m.name, m.weight)
		if err != nil {
			return nil, fmt.Errorf("open the data of %s: %w", m.name, err)
		}
		sets := m.migrations()
		if !onlyStatus {
			if err := db.Migrate(ctx, sets...); err != nil {
				return nil, fmt.Errorf("migrate %s: %w", m.name, err)
			}
		}
		states, err := db.MigrationStatus(ctx, sets...)
		if err != nil {
			return nil, fmt.Errorf("read the migrations of %s: %w", m.name, err)
		}
		for _, st := range states {
			rows = append(rows, migrationRow{Module: m.name, Set: st.Set, Version: st.Version, Pending: len(st.Pending)})
		}
	}
	return rows, nil
}
