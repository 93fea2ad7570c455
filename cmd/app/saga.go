package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/saga"
)

func sagaCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "saga",
		Short: "Look after sagas: checkouts that run, that failed, that wait for a person",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		sagaListCommand(s), sagaShowCommand(s),
		sagaActCommand(s, "retry", "Let a parked saga go on where it was",
			"Retry gives a parked saga all its attempts again. A running server picks it up within a second.",
			func(ctx context.Context, e *saga.Engine, id string) error { return e.Retry(ctx, id) }),
		sagaActCommand(s, "compensate", "Turn a running or parked saga back",
			"Compensate undoes every step of a saga, whatever it was doing. The order is rejected then, the deposit given back.",
			func(ctx context.Context, e *saga.Engine, id string) error { return e.Compensate(ctx, id) }),
	)
	return cmd
}

func sagaListCommand(s *settings) *cobra.Command {
	var filter saga.Filter
	var statuses []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List sagas, by id",
		Example: "  app saga list --status parked\n  app saga list --status running,compensating --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range statuses {
				status := saga.Status(name)
				if !slices.Contains(saga.Statuses, status) {
					return exit{exitUsage, fmt.Sprintf("--status: there is no %q: give %s", name, statusNames())}
				}
				filter.Statuses = append(filter.Statuses, status)
			}
			if err := checkLimit(filter.Limit, 500); err != nil {
				return err
			}
			return s.withSagas(cmd, func(ctx context.Context, shop *shop) error {
				if filter.After != "" && !id.Valid(filter.After) {
					if _, _, err := sagas(shop.Sagas).find(ctx, filter.After); errors.Is(err, fault.NotFound) {
						return exit{exitUsage, fmt.Sprintf("--after %q is no saga's id: give the last one of the page before", filter.After)}
					} else if err != nil {
						return err
					}
				}
				infos, more, err := sagas(shop.Sagas).list(ctx, filter)
				if err != nil {
					return err
				}
				if more {
					defer fmt.Fprintf(cmd.ErrOrStderr(), "There are more: go on with --after %s, or raise --limit.\n", infos[len(infos)-1].ID)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), infos)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tSAGA\tSTATUS\tSTEP\tATTEMPTS\tSTARTED\tCAUSE")
				for _, i := range infos {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.Name, i.Status, i.Step, i.Attempts, i.StartedAt.Format(time.RFC3339), whyOf(i))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringSliceVar(&statuses, "status", nil, "only ones that are "+statusNames()+"; several with commas")
	cmd.Flags().StringVar(&filter.After, "after", "", "only those after this id")
	cmd.Flags().IntVar(&filter.Limit, "limit", 50, "at most this many, 1 to 500")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statusNames lists the names that --status takes.
func statusNames() string {
	names := make([]string, len(saga.Statuses))
	for i, status := range saga.Statuses {
		names[i] = string(status)
	}
	return strings.Join(names, ", ")
}

func sagaShowCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Tell all about one saga: its state, why it waits, its history",
		Long:    "Show tells all about one saga. The id of a checkout is the id of its order, that\nof a deposit the id of the deposit.",
		Example: "  app saga show 0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withSagas(cmd, func(ctx context.Context, shop *shop) error {
				_, i, err := sagas(shop.Sagas).find(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), i)
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "%s %s: %s", i.Name, i.ID, i.Status)
				if i.Step != "" { // none of one that ended
					fmt.Fprintf(out, ", step %q, attempt %d", i.Step, i.Attempts)
				}
				fmt.Fprintln(out)
				if i.Parked != "" {
					fmt.Fprintf(out, "parked: %s\n", i.Parked)
				}
				if cause := causeOf(i); cause != "" {
					fmt.Fprintf(out, "cause: %s\n", cause)
				}
				for _, h := range i.History {
					fmt.Fprintf(out, "%s  %-8s %-12s %-8s %s\n", h.At.Format(time.RFC3339Nano), h.Action, h.Step, h.Outcome, h.Detail)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func sagaActCommand(s *settings, verb, short, long string, act func(context.Context, *saga.Engine, string) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Long:    long,
		Example: "  app saga " + verb + " 0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withSagas(cmd, func(ctx context.Context, shop *shop) error {
				engine, _, err := sagas(shop.Sagas).find(ctx, args[0])
				if err != nil {
					return err
				}
				if err := act(ctx, engine, args[0]); err != nil {
					return err
				}
				i, err := engine.Show(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), i)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s is %s\n", i.Name, i.ID, i.Status)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// whyOf is the reason that a line has room for: of a parked saga why it is parked.
func whyOf(i saga.Info) string { return cmp.Or(i.Parked, causeOf(i)) }

func causeOf(i saga.Info) string {
	if i.Cause == nil {
		return ""
	}
	if i.Cause.Message == "" {
		return i.Cause.Code
	}
	return i.Cause.Code + ": " + i.Cause.Message
}

// withSagas is with for a shop that keeps sagas.
func (s *settings) withSagas(cmd *cobra.Command, do func(ctx context.Context, shop *shop) error) error {
	return s.with(cmd, func(ctx context.Context, shop *shop) error {
		if shop.Sagas == nil {
			return exit{exitUsage, "none of the modules named by the setting \"modules\" keeps sagas; name orders as well"}
		}
		return do(ctx, shop)
	})
}
