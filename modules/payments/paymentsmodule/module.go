// Package paymentsmodule puts payments together. It is the only door to its
// internals, and only the composition root may use it.
package paymentsmodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/internal/sandboxclient"
	"github.com/banyan-tree/banyan/modules/payments/internal/store"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Provider says where the payment provider is.
type Provider struct {
	BaseURL       string // https://psp.example.com/v1
	APIKey        string
	WebhookSecret string // shared with the provider; empty: no webhook is believed
}

// gather is how long news wait for others to travel with; nobody waits for the news of a payment: the checkout has the answer.
const gather = 20 * time.Millisecond

// Deps is what payments need. Their neighbours reach them by events only.
type Deps struct {
	DB       *database.DB
	Now      clock.Clock
	NewID    id.Source
	Log      *slog.Logger
	Metrics  prometheus.Registerer // nil: nothing is counted
	Provider Provider
}

// Module is payments, ready to be served.
type Module struct {
	Service  payments.Service
	Outbox   *event.Outbox
	Consumer *event.Consumer
	Tasks    []run.Task
	Checks   []audit.Check
	// Inherit ends what processes claimed that are known to be gone.
	Inherit func(ctx context.Context) error
	Health  []health.Check
}

// New puts the module together. It touches no database and calls nobody.
func New(d Deps) (*Module, error) {
	base, err := url.Parse(d.Provider.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		// It may have a password in it, which may be what is wrong with it.
		return nil, errors.New("payments: the provider's base URL cannot be used: give one like https://psp.example.com/v1")
	}
	if d.Provider.APIKey == "" {
		return nil, errors.New("payments: the provider's API key is missing")
	}
	counters, err := newCounters(d.Metrics)
	if err != nil {
		return nil, fmt.Errorf("payments: %w", err)
	}
	guard, err := resilience.NewGuard(resilience.GuardConfig{Name: "payments.provider", Log: d.Log, Metrics: d.Metrics})
	if err != nil {
		return nil, fmt.Errorf("payments: %w", err)
	}
	outbox := event.NewOutbox(d.DB, d.Now, d.NewID).Gather(gather)
	svc := core.New(core.Deps{
		Store: store.New(d.DB), Provider: sandboxclient.New(d.Provider.BaseURL, d.Provider.APIKey, guard), Outbox: outbox,
		Now: d.Now, NewID: d.NewID, Log: d.Log, Observer: counters, WebhookSecret: d.Provider.WebhookSecret,
	})
	consumer := event.NewConsumer(d.DB, d.Now)
	event.On(consumer, shipping.ShipmentDispatched, svc.OnDispatched)
	event.On(consumer, orders.WasCancelled, svc.OnCancelled)
	return &Module{
		Service: svc, Outbox: outbox, Consumer: consumer,
		Tasks:  []run.Task{{Name: "payments operations", Run: svc.Work}},
		Checks: svc.Checks(), Inherit: svc.Inherit,
		// A sick provider is no reason to send nobody here: all but checkouts goes on.
		Health: []health.Check{{Name: "payments.provider", Run: func(context.Context) (string, error) { return guard.State(), nil }}},
	}, nil
}

// Migrations of everything that payments keep.
func Migrations() []database.Migrations {
	return []database.Migrations{migrations.Of("payments"), event.OutboxMigrations(), event.InboxMigrations()}
}

// counters counts what became of operations.
type counters struct{ operations *prometheus.CounterVec }

var _ core.Observer = counters{}

func newCounters(reg prometheus.Registerer) (counters, error) {
	c := counters{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "banyan_payments_operations_total",
		Help: "Operations at the payment provider by kind and outcome: done, refused, failed (tried again), parked (a person is needed).",
	}, []string{"kind", "outcome"})}
	if reg == nil {
		return c, nil
	}
	return c, reg.Register(c.operations)
}

// Operation counts one outcome.
func (c counters) Operation(kind, outcome string) {
	c.operations.WithLabelValues(kind, outcome).Inc()
}
