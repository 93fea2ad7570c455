package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

func eventsCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Read the event logs, replay them, and look after events that failed",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(eventsListCommand(s), eventsStatusCommand(s), eventsReplayCommand(s), eventsDeadCommand(s))
	return cmd
}

func eventsListCommand(s *settings) *cobra.Command {
	var from, since, until string
	var f event.Filter
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what happened, newest first",
		Example: "  app events list --from orders --since 2026-01-01\n  app events list --aggregate 0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if f.Since, err = instant("--since", since); err != nil {
				return err
			}
			if f.Until, err = instant("--until", until); err != nil {
				return err
			}
			if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
				return exit{exitUsage, fmt.Sprintf("--since %s is not before --until %s", since, until)}
			}
			if f.Before != "" && !id.Valid(f.Before) {
				return exit{exitUsage, fmt.Sprintf("--before %q is no event's id: give the last one of the page before", f.Before)}
			}
			if err := checkLimit(f.Limit, 1000); err != nil {
				return err
			}
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				if err := checkType(shop, f.Type); err != nil {
					return err
				}
				logged, more, err := listEvents(ctx, shop, from, f)
				if err != nil {
					return err
				}
				if more {
					defer fmt.Fprintf(cmd.ErrOrStderr(), "There are more: go on with --before %s, or raise --limit.\n", logged[len(logged)-1].ID)
				} else if len(logged) == 0 && f.Type != "" {
					ever, _, err := listEvents(ctx, shop, "", event.Filter{Type: f.Type, Limit: 1})
					if err != nil {
						return err
					}
					if len(ever) == 0 {
						defer fmt.Fprintf(cmd.ErrOrStderr(), "No event of the type %s is in any log.\n", f.Type)
					}
				}
				if from == "" && f.Type == "" {
					defer shop.tellElsewhere(cmd.ErrOrStderr())
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), logged)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "TIME\tTYPE\tSUBJECT\tVERSION\tSENT\tID")
				for _, e := range logged {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%t\t%s\n", e.Time.Format(time.RFC3339Nano), e.Type, e.AggregateID, e.Version, e.SentAt != nil, e.ID)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "only events of this module")
	cmd.Flags().StringVar(&f.Type, "type", "", "only events of this type, such as orders.confirmed")
	cmd.Flags().StringVar(&f.AggregateID, "aggregate", "", "only events about this id")
	cmd.Flags().StringVar(&since, "since", "", "recorded at or after this day or RFC 3339 instant")
	cmd.Flags().StringVar(&until, "until", "", "recorded before this day or RFC 3339 instant")
	cmd.Flags().StringVar(&f.Before, "before", "", "the page after the one that ended with this event's id")
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "at most this many, 1 to 1000")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkType refuses a type of events that nobody here can have published.
func checkType(shop *shop, name string) error {
	if name == "" {
		return nil
	}
	module, what, _ := strings.Cut(name, ".")
	if what != "" && slices.ContainsFunc(shop.Bus.Sources(), func(o *event.Outbox) bool { return o.Module() == module }) {
		return nil
	}
	if err := shop.runsElsewhere("--type", module); what != "" && err != nil {
		return err
	}
	return exit{exitUsage, fmt.Sprintf("--type %q: a type is a module, a dot and what happened, such as orders.confirmed; for the modules that publish see \"app events status\"", name)}
}

// listEvents merges the logs of the modules, newest first, and tells whether there
// are more than f.Limit.
func listEvents(ctx context.Context, shop *shop, from string, f event.Filter) (_ []event.Logged, more bool, err error) {
	all, limit := []event.Logged{}, f.Limit
	f.Limit++
	found := from == ""
	for _, source := range shop.Bus.Sources() {
		if from != "" && source.Module() != from {
			continue
		}
		found = true
		logged, err := source.List(ctx, f)
		if err != nil {
			return nil, false, fmt.Errorf("read the events of %s: %w", source.Module(), err)
		}
		all = append(all, logged...)
	}
	if !found {
		if err := shop.runsElsewhere("--from", from); err != nil {
			return nil, false, err
		}
		return nil, false, exit{exitUsage, fmt.Sprintf("no module %q publishes events; see \"app events status\"", from)}
	}
	slices.SortStableFunc(all, func(a, b event.Logged) int { return b.Time.Compare(a.Time) })
	return all[:min(len(all), limit)], len(all) > limit, nil
}

func eventsStatusCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Tell who publishes and who listens, and how far each is",
		Example: "  app events status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				stats, err := shop.Bus.Stats(ctx)
				if err != nil {
					return err
				}
				defer shop.tellElsewhere(cmd.ErrOrStderr())
				if asJSON {
					return printJSON(cmd.OutOrStdout(), stats)
				}
				return printStats(cmd, stats)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// instant reads a day or an RFC 3339 instant; empty is the zero time.
func instant(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, exit{exitUsage, fmt.Sprintf("%s %q: write a day (2026-01-31) or an instant (2026-01-31T12:00:00Z)", flag, strings.TrimSpace(text))}
}

// checkLimit refuses a --limit that cannot be kept.
func checkLimit(limit, most int) error {
	if limit < 1 || limit > most {
		return exit{exitUsage, fmt.Sprintf("--limit %d: give 1 to %d", limit, most)}
	}
	return nil
}
