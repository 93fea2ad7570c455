package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/banyan-tree/banyan/internal/eventstore"
)

func projectionCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "projection",
		Short: "Tell how far read models are behind their streams, and build them anew",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(projectionListCommand(s), projectionStatusCommand(s), projectionRebuildCommand(s))
	return cmd
}

func projectionListCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the projections: which generation serves, and its lag",
		Example: "  app projection list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				all, err := shop.generations(ctx, "")
				if err != nil {
					return err
				}
				serving := []eventstore.Status{}
				for _, g := range all {
					if g.State == eventstore.Serving {
						serving = append(serving, g)
					}
				}
				return printGenerations(cmd.OutOrStdout(), serving, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func projectionStatusCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status NAME",
		Short:   "Tell all about one projection: its generations, and why one does not go on",
		Example: "  app projection status statements",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				if _, err := shop.feed(args[0]); err != nil {
					return err
				}
				own, err := shop.generations(ctx, args[0])
				if err != nil {
					return err
				}
				return printGenerations(cmd.OutOrStdout(), own, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func projectionRebuildCommand(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rebuild NAME",
		Short: "Build a projection anew from the first event, while the old one serves",
		Long: `Rebuild makes the rows of a projection again from the first event, beside those
that readers see, and lets the new ones serve when they have everything. Then the
old ones are deleted.

Where a server runs it does the work; else this command does. Ctrl-C ends the
command, not the rebuild: the next server, or the same command, goes on with it.`,
		Example: "  app projection rebuild statements",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				feed, err := shop.feed(args[0])
				if err != nil {
					return err
				}
				built, err := rebuild(ctx, feed, args[0], rebuildProgress(cmd.ErrOrStderr()))
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), built)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: generation %d serves, built from %d events in %s\n",
					built.Name, built.Generation, built.Applied, built.Since.Sub(built.StartedAt).Round(10*time.Millisecond))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// feed finds the feed of the module that has a projection.
func (s *shop) feed(name string) (*eventstore.Feed, error) {
	for _, f := range s.Projections {
		for _, n := range f.Names() {
			if n == name {
				return f, nil
			}
		}
	}
	return nil, exit{exitUsage, fmt.Sprintf("no projection %q; see \"app projection list\"", name)}
}

// generations gives those of one projection, or of all.
func (s *shop) generations(ctx context.Context, name string) ([]eventstore.Status, error) {
	list := []eventstore.Status{}
	for _, f := range s.Projections {
		all, err := f.Status(ctx)
		if err != nil {
			return nil, err
		}
		for _, g := range all {
			if name == "" || g.Name == name {
				list = append(list, g)
			}
		}
	}
	return list, nil
}

func printGenerations(out io.Writer, list []eventstore.Status, asJSON bool) error {
	if asJSON {
		return printJSON(out, list)
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PROJECTION\tMODULE\tGENERATION\tSTATE\tEVENTS\tLAG\tSECONDS\tSINCE\tFAILURE")
	for _, g := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%.1f\t%s\t%s\n",
			g.Name, g.Module, g.Generation, g.State, g.Applied, g.Lag, g.LagSeconds, g.Since.Format(time.RFC3339), g.Failure)
	}
	return w.Flush()
}

const (
	lookEvery = 300 * time.Millisecond // how often a rebuild is asked how far it is
	// noServer is after how many looks at which nobody feeds the projections there is
	// no server: one takes them within a second.
	noServer = 10
)

// rebuild asks for a rebuild and waits for it. Where no server does, it feeds.
func rebuild(ctx context.Context, feed *eventstore.Feed, name string, progress func(done, total int64)) (eventstore.Status, error) {
	generation, err := feed.Rebuild(ctx, name)
	if err != nil {
		return eventstore.Status{}, err
	}
	feeding, stop := context.WithCancel(ctx)
	var own sync.WaitGroup
	defer own.Wait()
	defer stop()
	for free := 0; ; {
		g, err := lookAt(ctx, feed, name, generation)
		switch {
		case err != nil:
			return g, err
		case g.State != eventstore.Building:
			return g, nil
		case g.Failure != "":
			return g, fmt.Errorf("the rebuild of %s does not go on, and is tried again by the server: %s", name, g.Failure)
		}
		progress(g.Applied, g.Applied+g.Lag)
		attended, err := feed.Attended(ctx)
		if err != nil {
			return g, err
		}
		if attended {
			free = 0
		} else if free++; free == noServer {
			own.Go(func() { _ = feed.Task().Run(feeding) })
		}
		select {
		case <-ctx.Done():
			return g, fmt.Errorf("%w; the rebuild of %s goes on with the server, or with the same command", ctx.Err(), name)
		case <-time.After(lookEvery):
		}
	}
}

// lookAt finds a generation of a projection. One that is gone has served and was
// followed by another.
func lookAt(ctx context.Context, feed *eventstore.Feed, name string, generation int64) (eventstore.Status, error) {
	all, err := feed.Status(ctx)
	if err != nil {
		return eventstore.Status{}, err
	}
	for _, g := range all {
		if g.Name == name && g.Generation == generation {
			return g, nil
		}
	}
	return eventstore.Status{Module: feed.Module(), Name: name, Generation: generation, State: eventstore.Retired}, nil
}

// rebuildProgress draws how far a rebuild is: a bar on a terminal, else a line now
// and then.
func rebuildProgress(stderr io.Writer) func(done, total int64) {
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(stderr), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetDescription("rebuilding"), progressbar.OptionClearOnFinish())
		return func(done, total int64) {
			bar.ChangeMax64(total)
			_ = bar.Set64(done)
		}
	}
	var last time.Time
	return func(done, total int64) {
		if time.Since(last) >= lineEvery {
			last = time.Now()
			fmt.Fprintf(stderr, "rebuilding: %d of %d events (%d %%)\n", done, total, 100*done/max(total, 1))
		}
	}
}
