package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/telemetry"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Tell which build this is",
		Example: "  app version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := telemetry.ReadBuild()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]string{"version": b.Version, "revision": b.Revision, "go": b.Go})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "banyan %s %s %s\n", b.Version, b.Revision, b.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
