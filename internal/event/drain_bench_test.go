package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

// BenchmarkBacklog drains events that are there already: the relay's own speed.
func BenchmarkBacklog(b *testing.B) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		b.Run(dialect, func(b *testing.B) {
			s := benchShop(b, dialect)
			bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
			require.NoError(b, err)
			outbox := event.NewOutbox(s.source, clock.System, id.V7)
			consumer := event.NewConsumer(s.target, clock.System)
			applied := 0
			event.On(consumer, happened, func(context.Context, event.Meta, counted) error { applied++; return nil })
			bus.Source(outbox)
			bus.Subscribe(consumer)
			for first := 0; first < b.N; first += 500 {
				require.NoError(b, s.source.Atomic(b.Context(), func(ctx context.Context) error {
					var events []event.Event
					for n := first; n < min(first+500, b.N); n++ {
						events = append(events, happened.New(fmt.Sprint("a", n), 1, counted{N: 1}))
					}
					return outbox.Publish(ctx, events...)
				}))
			}
			b.ResetTimer()
			start := time.Now()
			require.NoError(b, bus.Drain(b.Context()))
			require.Equal(b, b.N, applied)
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "events/s")
		})
	}
}
