package resilience

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// guardMetrics counts what a guard did; nil counts nothing.
type guardMetrics struct {
	name  string
	calls *prometheus.CounterVec
}

func newGuardMetrics(reg prometheus.Registerer, g *Guard) (*guardMetrics, error) {
	if reg == nil {
		return nil, nil
	}
	calls, err := registered(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "banyan_dependency_calls_total",
		Help: "Calls to a dependency: well, sick (it failed), given_up (by the caller), and those that were not made: open (left alone), no_budget (repeats), crowded.",
	}, []string{"dependency", "outcome"}))
	if err != nil {
		return nil, err
	}
	labels := prometheus.Labels{"dependency": g.cfg.Name}
	err = errors.Join(
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "banyan_dependency_breaker_state", ConstLabels: labels,
			Help: "0: in use, 1: one call is let through to see whether it is well again, 2: left alone.",
		}, func() float64 {
			switch {
			case g.breaker.IsClosed():
				return 0
			case g.breaker.IsHalfOpen():
				return 1
			}
			return 2
		})),
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "banyan_dependency_retry_budget", ConstLabels: labels,
			Help: "Repeats that may fail before no more are made.",
		}, g.budget.left)),
	)
	return &guardMetrics{name: g.cfg.Name, calls: calls}, err
}

// registered registers a collector, or gives the one that is there already.
func registered[C prometheus.Collector](reg prometheus.Registerer, c C) (C, error) {
	err := reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if known, ok := already.ExistingCollector.(C); ok {
			return known, nil
		}
	}
	return c, err
}

func (m *guardMetrics) outcome(name string) {
	if m != nil {
		m.calls.WithLabelValues(m.name, name).Inc()
	}
}

// refused counts a call that was not made.
func (m *guardMetrics) refused(err error) {
	switch {
	case errors.Is(err, ErrOpen):
		m.outcome("open")
	case errors.Is(err, ErrNoBudget):
		m.outcome("no_budget")
	case errors.Is(err, ErrCrowded):
		m.outcome("crowded")
	}
}
