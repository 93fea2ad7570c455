package rabbit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what happens between this process and the broker. nil counts
// nothing.
type Metrics struct {
	sessions *prometheus.CounterVec
	blocks   prometheus.Counter
	lates    prometheus.Counter
	expiries *prometheus.CounterVec
	answers  *prometheus.HistogramVec
	dead     *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "banyan_rabbitmq_sessions_total", Help: "Connections built, by role: in, out.",
		}, []string{"role"}),
		blocks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "banyan_rabbitmq_blocked_total", Help: "How often the broker said that it takes no messages.",
		}),
		lates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "banyan_rabbitmq_late_replies_total", Help: "Replies that came when nobody waited for them any more.",
		}),
		expiries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "banyan_rabbitmq_expired_calls_total", Help: "Calls dropped unopened, because their caller had stopped waiting.",
		}, []string{"module"}),
		answers: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "banyan_rabbitmq_answered_seconds", Help: "How long calls that came over the broker took here, by the module that answered.",
			Buckets: []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"module"}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "banyan_rabbitmq_dead_letters_total", Help: "Messages put aside because they are no events.",
		}, []string{"module"}),
	}
	return m, errors.Join(reg.Register(m.sessions), reg.Register(m.blocks), reg.Register(m.lates), reg.Register(m.expiries), reg.Register(m.answers), reg.Register(m.dead))
}

func (m *Metrics) session(role string) {
	if m != nil {
		m.sessions.WithLabelValues(role).Inc()
	}
}

func (m *Metrics) blocked() {
	if m != nil {
		m.blocks.Inc()
	}
}

func (m *Metrics) late() {
	if m != nil {
		m.lates.Inc()
	}
}

func (m *Metrics) expired(module string) {
	if m != nil {
		m.expiries.WithLabelValues(module).Inc()
	}
}

// answered gives what observes the answers of a module; nil observes nothing.
func (m *Metrics) answered(module string) prometheus.Observer {
	if m == nil {
		return nil
	}
	return m.answers.WithLabelValues(module)
}

func (m *Metrics) deadLetter(module string) {
	if m != nil {
		m.dead.WithLabelValues(module).Inc()
	}
}
