package event_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
)

func TestMetricsCountWhatHappened(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		reg := prometheus.NewPedanticRegistry()
		bus, err := event.NewBus(slog.New(slog.DiscardHandler), reg)
		require.NoError(t, err)
		b := s.instance(t)
		b.outbox = event.NewOutbox(s.source, clock.System, id.V7)
		bus.Source(b.outbox)
		bus.Subscribe(b.consumer)
		b.bus = bus
		b.publish(t, "a", 1, 2)
		b.drain(t)
		b.publish(t, "a", 3)
		seen := map[string]float64{}
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				seen[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		require.Positive(t, seen["banyan_events_oldest_unsent_seconds"])
		delete(seen, "banyan_events_oldest_unsent_seconds")
		require.Equal(t, map[string]float64{
			"banyan_events_published_total": 3, "banyan_events_delivered_total": 2, "banyan_events_lag_seconds": 2,
			"banyan_events_unsent": 1, "banyan_events_pending": 0, "banyan_events_parked": 0,
		}, seen)
	})
}
