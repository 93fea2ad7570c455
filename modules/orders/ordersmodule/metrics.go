package ordersmodule

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/modules/orders"
)

// newMetrics gives what counts decided orders on reg, nil where nobody counts.
func newMetrics(reg prometheus.Registerer) (func(orders.Order, time.Duration), error) {
	if reg == nil {
		return nil, nil
	}
	decided := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "banyan", Subsystem: "orders", Name: "decided_total",
		Help: "Orders that were confirmed, rejected or cancelled while pending, by status and reason.",
	}, []string{"status", "reason"})
	checkout := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "banyan", Subsystem: "orders", Name: "checkout_seconds",
		Help:    "From an order's placing to its decision.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{"status"})
	for _, c := range []prometheus.Collector{decided, checkout} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of orders: %w", err)
		}
	}
	return func(o orders.Order, after time.Duration) {
		decided.WithLabelValues(o.Status, o.Reason).Inc()
		checkout.WithLabelValues(o.Status).Observe(max(after, 0).Seconds())
	}, nil
}
