package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/host"
)

func configCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or show the settings",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configCheckCommand(s), configShowCommand(s), &cobra.Command{
		Use:     "example",
		Short:   "Print a settings file with every key and its default",
		Example: "  app config example > banyan.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), config.Example())
			return err
		},
	})
	return cmd
}

func configCheckCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Tell everything that is wrong with the settings",
		Long:    "Check reads all layers of settings, and the users that amqp.users_file has, and lists every problem with its place. Exit code 2 when there is one.",
		Example: "  app config check --config banyan.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd)
			if err == nil {
				_, err = host.BrokerUsers(cfg, slices.DeleteFunc(moduleNames(), func(m string) bool { return !cfg.Runs(m) })...)
			}
			var wrong *config.Error
			if err != nil && !errors.As(err, &wrong) {
				return err
			}
			if asJSON {
				problems := []config.Problem{}
				if wrong != nil {
					problems = wrong.Problems
				}
				if perr := printJSON(cmd.OutOrStdout(), map[string]any{"ok": wrong == nil, "problems": problems}); perr != nil {
					return perr
				}
				if wrong != nil {
					return exit{code: exitUsage}
				}
				return nil
			}
			if wrong != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The settings are fine.")
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func configShowCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "List every setting, its value, and where that came from",
		Long:    "Show lists every setting as it is in force. Passwords are hidden. Each key is also a flag (http.addr is --http-addr) and a variable (BANYAN_HTTP_ADDR).",
		Example: "  app config show\n  app config show --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), config.Show(cfg))
			}
			return config.Print(cmd.OutOrStdout(), cfg)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
