package eventstore

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// feedMetrics are counted by the feed; nil counts nothing.
type feedMetrics struct {
	applied, failed *prometheus.CounterVec
	events, seconds *prometheus.GaugeVec

	mu   sync.Mutex
	next map[string]time.Time
}

// lagEvery is how often the lag is asked for.
const lagEvery = 2 * time.Second

func newFeedMetrics(reg prometheus.Registerer) *feedMetrics {
	if reg == nil {
		return nil
	}
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "banyan", Subsystem: "projections", Name: name, Help: help}
	}
	label := []string{"projection"}
	return &feedMetrics{
		applied: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts(opts("applied_total", "Events applied by this process, those of rebuilds among them.")), label)),
		failed:  register(reg, prometheus.NewCounterVec(prometheus.CounterOpts(opts("failed_total", "Batches of events that could not be applied; they are tried again.")), label)),
		events:  register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("lag_events", "Events that the rows which readers see do not have yet; 0 where another process feeds them.")), label)),
		seconds: register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("lag_seconds", "Since the oldest of these events was recorded.")), label)),
		next:    map[string]time.Time{},
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

func (m *feedMetrics) apply(projection string, n int) {
	if m != nil {
		m.applied.WithLabelValues(projection).Add(float64(n))
	}
}

func (m *feedMetrics) fail(projection string) {
	if m != nil {
		m.failed.WithLabelValues(projection).Inc()
	}
}

// due tells whether it is time to ask for the lag.
func (m *feedMetrics) due(projection string) bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Before(m.next[projection]) {
		return false
	}
	m.next[projection] = now.Add(lagEvery)
	return true
}

func (m *feedMetrics) lag(projection string, events int64, seconds float64) {
	if m != nil {
		m.events.WithLabelValues(projection).Set(float64(events))
		m.seconds.WithLabelValues(projection).Set(seconds)
	}
}

// idle says that this process feeds nothing.
func (m *feedMetrics) idle(projections []string) {
	for _, p := range projections {
		m.lag(p, 0, 0)
	}
}
