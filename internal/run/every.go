package run

import (
	"context"
	"log/slog"
	"time"
)

// Every is a task that works at its start and at each tick. What fails is told in the
// log and tried again at the next one.
func Every(pause time.Duration, name string, log *slog.Logger, work func(ctx context.Context) error) Task {
	return Task{Name: name, Run: func(ctx context.Context) error {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, name, "error", err, "next_try_in", pause)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}}
}
