package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/event"
)

func eventsDeadCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "Look after events that a consumer could not apply",
		Long: `An event that fails is tried again with growing pauses, then parked with the
reason. It stops no other, but later events about the same thing wait for it.
Where events come over RabbitMQ, messages that are no events, or that processes
died of, are put aside by the broker; they are looked after by the same commands.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(deadListCommand(s), deadShowCommand(s), deadReplayCommand(s), deadDropCommand(s))
	return cmd
}

func deadListCommand(s *settings) *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List them, of every consumer",
		Example: "  app events dead list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkLimit(limit, deadLooked); err != nil {
				return err
			}
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				all := []event.Dead{}
				for _, c := range shop.Bus.Consumers() {
					dead, err := shop.deadList(ctx, c, limit)
					if err != nil {
						return err
					}
					all = append(all, dead...)
				}
				defer shop.tellElsewhere(cmd.ErrOrStderr())
				if asJSON {
					return printJSON(cmd.OutOrStdout(), all)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "CONSUMER\tSTATE\tTYPE\tSUBJECT\tATTEMPTS\tREASON\tID")
				for _, d := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.Consumer, d.State, d.Event.Type, d.Event.AggregateID, d.Attempts, d.Reason, d.Event.ID)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, fmt.Sprintf("at most this many of each consumer, 1 to %d", deadLooked))
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func deadShowCommand(s *settings) *cobra.Command {
	cmd := deadActCommand(s, "show CONSUMER ID", "Tell all about one, as JSON", "  app events dead show shipping 0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
		func(cmd *cobra.Command, ctx context.Context, shop *shop, c *event.Consumer, id string) error {
			dead, err := shop.deadShow(ctx, c, id)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), dead)
		})
	cmd.Flags().Bool("json", true, "print JSON, as it always does")
	return cmd
}

func deadReplayCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "replay CONSUMER [ID…]",
		Short:   "Try events again, with all their attempts; without ids all that are parked",
		Example: "  app events dead replay shipping",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				c, err := consumer(shop, "CONSUMER", args[0])
				if err != nil {
					return err
				}
				n, err := shop.deadReplay(ctx, c, args[1:]...)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d events of %s will be tried again\n", n, c.Name())
				return err
			})
		},
	}
	return cmd
}

func deadDropCommand(s *settings) *cobra.Command {
	var reason string
	cmd := deadActCommand(s, "drop CONSUMER ID", "Give one up for good; what waits behind it goes on",
		"  app events dead drop shipping 0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b --reason 'sent by hand'",
		func(cmd *cobra.Command, ctx context.Context, shop *shop, c *event.Consumer, id string) error {
			if err := shop.deadDrop(ctx, c, id, reason); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "event %s is dropped at %s\n", id, c.Name())
			return err
		})
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func deadActCommand(s *settings, use, short, example string, act func(*cobra.Command, context.Context, *shop, *event.Consumer, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				c, err := consumer(shop, "CONSUMER", args[0])
				if err != nil {
					return err
				}
				return act(cmd, ctx, shop, c, args[1])
			})
		},
	}
}

func consumer(shop *shop, arg, name string) (*event.Consumer, error) {
	if c := shop.Bus.Consumer(name); c != nil {
		return c, nil
	}
	if err := shop.runsElsewhere(arg, name); err != nil {
		return nil, err
	}
	return nil, exit{exitUsage, fmt.Sprintf("no consumer %q; see \"app events status\"", name)}
}

func printStats(cmd *cobra.Command, stats event.Stats) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PUBLISHER\tUNSENT\tOLDEST")
	for _, x := range stats.Sources {
		fmt.Fprintf(w, "%s\t%d\t%s\n", x.Module, x.Unsent, x.OldestUnsent.Round(time.Millisecond))
	}
	fmt.Fprintln(w, "\nCONSUMER\tPENDING\tPARKED")
	for _, x := range stats.Consumers {
		fmt.Fprintf(w, "%s\t%d\t%d\n", x.Consumer, x.Pending, x.Parked)
	}
	return w.Flush()
}
