package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/banyan-tree/banyan/internal/event"
)

func eventsReplayCommand(s *settings) *cobra.Command {
	var to, from string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Deliver logged events to one consumer again",
		Long: `Replay rebuilds what a consumer made of events. It may run beside a live server.

search is built anew while the old index answers and goes on taking live events;
once the new one has them all, it answers. Killed on the way, nothing is lost:
the old index stays, and the half-built one is removed. With --from, what
happened since then is written again into the index that there is.

It needs the logs of all modules that the consumer listens to, so run it with these
modules too.

Of other consumers empty the tables first; new events wait for their turn. Effects
at modules that are no read models are kept from happening twice by their own rules.

What waits at the consumer for an event that was lost goes on, without it where the
logs have it no more. With --from, what waits behind an older event goes on waiting.`,
		Example: "  app events replay --to search\n  app events replay --to shipping --from 2026-01-01",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, err := instant("--from", from)
			if err != nil {
				return err
			}
			return s.with(cmd, func(ctx context.Context, shop *shop) error {
				c, err := consumer(shop, "--to", to)
				if err != nil {
					return err
				}
				done := replayed{Consumer: to, Rebuilt: since.IsZero() && c.Rebuild != nil}
				began := time.Now()
				done.Events, err = shop.Bus.Replay(ctx, to, since, eventProgress(cmd.ErrOrStderr(), time.Now))
				if errors.Is(err, event.ErrLogAway) {
					return exit{exitUsage, err.Error()}
				}
				if err != nil {
					return err
				}
				done.Seconds = time.Since(began).Seconds()
				if asJSON {
					return printJSON(cmd.OutOrStdout(), done)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the consumer, a module's name")
	cmd.Flags().StringVar(&from, "from", "", "from this day or RFC 3339 instant on; all there are unless set")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

// replayed is what a replay did.
type replayed struct {
	Consumer string  `json:"consumer"`
	Events   int64   `json:"events"`
	Rebuilt  bool    `json:"rebuilt"` // into something new, which now answers
	Seconds  float64 `json:"seconds"`
}

func (r replayed) String() string {
	if r.Rebuilt {
		return fmt.Sprintf("%s was built anew from %d events in %.1f s, and answers from that now", r.Consumer, r.Events, r.Seconds)
	}
	return fmt.Sprintf("%d events delivered to %s", r.Events, r.Consumer)
}

// eventProgress draws how far a replay is: a bar on a terminal, else a line now
// and then.
func eventProgress(stderr io.Writer, now func() time.Time) func(done, total int64) {
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(stderr), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription("replaying events"), progressbar.OptionClearOnFinish())
		return func(done, total int64) {
			bar.ChangeMax64(total)
			_ = bar.Set64(done)
		}
	}
	last := now()
	return func(done, total int64) {
		if at := now(); at.Sub(last) >= lineEvery {
			last = at
			fmt.Fprintf(stderr, "replaying: %d of %d events (%d %%)\n", done, total, 100*done/max(total, 1))
		}
	}
}
