package saga

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are counted by the engine; nil counts nothing.
type metrics struct {
	started, ended, lost *prometheus.CounterVec
	duration             *prometheus.HistogramVec
	running              *prometheus.GaugeVec
}

// newMetrics shares the collectors with the engines of other modules.
func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		return nil
	}
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "banyan", Subsystem: "sagas", Name: name, Help: help}
	}
	return &metrics{
		started: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts(opts("started_total", "Sagas started by this process.")), []string{"saga"})),
		ended:   register(reg, prometheus.NewCounterVec(prometheus.CounterOpts(opts("ended_total", "Sagas that this process brought to an end: completed, compensated or parked.")), []string{"saga", "status"})),
		lost:    register(reg, prometheus.NewCounterVec(prometheus.CounterOpts(opts("lost_total", "Sagas that another instance had taken over when this process wanted to write: the write was refused.")), []string{"saga"})),
		running: register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("running", "Sagas at work in this process.")), []string{"saga"})),
		duration: register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "banyan", Subsystem: "sagas", Name: "duration_seconds",
			Help:    "From the start of a saga to its end.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
		}, []string{"saga", "status"})),
	}
}

func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	var have prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &have) {
		if same, ok := have.ExistingCollector.(C); ok {
			return same
		}
	} else if err != nil { // two metrics of one name: a mistake in the code
		panic(err)
	}
	return c
}

func (m *metrics) start(saga string) {
	if m != nil {
		m.started.WithLabelValues(saga).Inc()
	}
}

func (m *metrics) lose(saga string) {
	if m != nil {
		m.lost.WithLabelValues(saga).Inc()
	}
}

func (m *metrics) work(saga string, n float64) {
	if m != nil {
		m.running.WithLabelValues(saga).Add(n)
	}
}

func (m *metrics) end(saga string, s Status, took time.Duration) {
	if m != nil {
		m.ended.WithLabelValues(saga, string(s)).Inc()
		m.duration.WithLabelValues(saga, string(s)).Observe(max(took, 0).Seconds())
	}
}
