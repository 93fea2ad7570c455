package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/host"
)

func checkCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Ask the shop on this machine whether it is ready",
		Long: `Check asks the ops address for the health of the running shop, and prints ok
when it is ready. Otherwise it says why not, and the exit code is 1. It is for who
runs containers: the image has no shell and no curl.`,
		Example: "  app check\n  app check --ops-addr 127.0.0.1:9081",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd)
			if err != nil {
				return err
			}
			if err := host.Check(cmd.Context(), cfg.Ops.Addr); err != nil {
				return fmt.Errorf("the shop of %s: %w", cfg.Ops.Addr, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return nil
		},
	}
}
