package event

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are counted by the bus; nil counts nothing.
type metrics struct {
	published, delivered, failed, parked, lost *prometheus.CounterVec
	lag                                        *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	if reg == nil {
		return nil, nil
	}
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "banyan", Subsystem: "events", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		published: counter("published_total", "Events committed to an outbox.", "module"),
		delivered: counter("delivered_total", "Events applied by a consumer, each counted once.", "consumer"),
		failed:    counter("failed_total", "Attempts to apply an event that failed.", "consumer"),
		parked:    counter("parked_total", "Events parked for a person after the last attempt.", "consumer"),
		lost:      counter("lanes_lost_total", "Lanes of an outbox that another relay had taken over when this one wanted to write: nothing of them was marked.", "module"),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "banyan", Subsystem: "events", Name: "lag_seconds",
			Help:    "From the recording of an event that the consumer handles to its commit there.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
		}, []string{"consumer"}),
	}
	for _, c := range []prometheus.Collector{m.published, m.delivered, m.failed, m.parked, m.lost, m.lag} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) publish(module string, n int) {
	if m != nil {
		m.published.WithLabelValues(module).Add(float64(n))
	}
}

// deliver counts an event; the lag of one that has no effect tells nothing.
func (m *metrics) deliver(consumer string, lag time.Duration, effect bool) {
	if m == nil {
		return
	}
	m.delivered.WithLabelValues(consumer).Inc()
	if effect {
		m.lag.WithLabelValues(consumer).Observe(max(lag, 0).Seconds())
	}
}

func (m *metrics) lose(module string, lanes int) {
	if m != nil {
		m.lost.WithLabelValues(module).Add(float64(lanes))
	}
}

func (m *metrics) fail(consumer string, parked bool) {
	if m == nil {
		return
	}
	m.failed.WithLabelValues(consumer).Inc()
	if parked {
		m.parked.WithLabelValues(consumer).Inc()
	}
}

// gauges shows Stats at each scrape.
type gauges struct {
	bus                             *Bus
	unsent, oldest, pending, parked *prometheus.Desc
}

func newGauges(b *Bus) *gauges {
	desc := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc("banyan_events_"+name, help, []string{label}, nil)
	}
	return &gauges{
		bus: b, unsent: desc("unsent", "Events recorded and not relayed yet.", "module"),
		oldest:  desc("oldest_unsent_seconds", "Age of the oldest of them.", "module"),
		pending: desc("pending", "Events that wait for their turn or their next attempt.", "consumer"),
		parked:  desc("parked", "Events that wait for a person.", "consumer"),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.unsent, g.oldest, g.pending, g.parked} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := g.bus.Stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.unsent, err)
		return
	}
	show := func(d *prometheus.Desc, value float64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, label)
	}
	for _, one := range s.Sources {
		show(g.unsent, float64(one.Unsent), one.Module)
		show(g.oldest, one.OldestUnsent.Seconds(), one.Module)
	}
	for _, one := range s.Consumers {
		show(g.pending, float64(one.Pending), one.Consumer)
		show(g.parked, float64(one.Parked), one.Consumer)
	}
}
