package searchmodule

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/modules/search/internal/core"
)

// freshness counts how long changes take from their recording at the owner until
// they can be found.
func freshness(reg prometheus.Registerer, now clock.Clock) (core.Fresh, error) {
	if reg == nil {
		return nil, nil
	}
	age := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "banyan", Subsystem: "search", Name: "freshness_seconds",
		Help:    "From the recording of a change at its owner until it can be found.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
	}, []string{"change"})
	if err := reg.Register(age); err != nil {
		return nil, fmt.Errorf("register the metrics of search: %w", err)
	}
	return func(kind string, recorded time.Time) {
		age.WithLabelValues(kind).Observe(max(now().Sub(recorded), 0).Seconds())
	}, nil
}
