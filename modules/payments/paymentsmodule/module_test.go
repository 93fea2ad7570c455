package paymentsmodule_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
	"github.com/banyan-tree/banyan/modules/shipping"
)

const patience = 2 * time.Minute

// setup starts the whole module with its sandbox and an outbox that plays shipping.
func setup(t *testing.T, open func(string) *database.DB, sinks ...event.Sink) (*paymentsmodule.Module, paymentstest.Harness) {
	t.Helper()
	ours, theirs, carrier := open("payments"), open("sandbox"), open("shipping")
	require.NoError(t, ours.Migrate(t.Context(), paymentsmodule.Migrations()...))
	require.NoError(t, theirs.Migrate(t.Context(), sandbox.Migrations()...))
	require.NoError(t, carrier.Migrate(t.Context(), event.OutboxMigrations()))
	log := slog.New(slog.DiscardHandler)
	box, err := sandbox.New(sandbox.Deps{DB: theirs, Now: clock.System, NewID: id.V7, Log: log, APIKey: "key"})
	require.NoError(t, err)
	srv := httptest.NewServer(box)
	t.Cleanup(srv.Close)
	m, err := paymentsmodule.New(paymentsmodule.Deps{
		DB: ours, Now: clock.System, NewID: id.V7, Log: log, Metrics: prometheus.NewRegistry(),
		Provider: paymentsmodule.Provider{BaseURL: srv.URL, APIKey: "key", WebhookSecret: "whsec"},
	})
	require.NoError(t, err)
	shipped := event.NewOutbox(carrier, clock.System, id.V7)
	bus, err := event.NewBus(log, prometheus.NewRegistry())
	require.NoError(t, err)
	bus.Source(shipped)
	bus.Source(m.Outbox)
	bus.Subscribe(m.Consumer)
	for _, s := range sinks {
		bus.Sink(s)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 16)
	tasks := append(bus.Tasks(), m.Tasks...)
	for _, task := range tasks {
		go func() { ended <- task.Run(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		for range tasks {
			if err := <-ended; err != nil {
				t.Errorf("a task ended badly: %v", err)
			}
		}
	})
	status := func(orderID string) string {
		p, err := m.Service.ByOrder(paymentstest.Shop(ctx), payments.OrderRequest{OrderID: orderID})
		if err != nil {
			return err.Error()
		}
		return p.Status
	}
	return m, paymentstest.Harness{
		Service: m.Service,
		Capture: func(t *testing.T, orderID string) {
			t.Helper()
			require.NoError(t, carrier.Atomic(t.Context(), func(ctx context.Context) error {
				shipment := id.V7()
				return shipped.Publish(ctx, shipping.ShipmentDispatched.New(shipment, 1, shipping.ShipmentChanged{ShipmentID: shipment, OrderID: orderID}))
			}))
			require.Eventually(t, func() bool { return status(orderID) == payments.Captured }, patience, 20*time.Millisecond)
		},
		Settle: func(t *testing.T) {
			t.Helper()
			require.Eventually(t, func() bool {
				var open int
				err := ours.Conn(t.Context()).Raw(`SELECT count(*) FROM provider_operations WHERE status = 'pending' AND kind <> 'authorise'`).Scan(&open).Error
				return err == nil && open == 0
			}, patience, 20*time.Millisecond)
		},
		Charges: func(t *testing.T, orderID string) []string {
			t.Helper()
			var list []string
			require.NoError(t, theirs.Conn(t.Context()).Raw(`SELECT status FROM charges WHERE reference = ? AND status <> 'declined'`, orderID).Scan(&list).Error)
			return list
		},
	}
}

func TestModuleConforms(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		t.Helper()
		m, h := setup(t, open)
		porttest.Ways(t, func(s *port.Server) { payments.Serve(s, m.Service) }, func(t *testing.T, conn *port.Conn) {
			over := h
			over.Service = payments.NewClient(conn)
			paymentstest.Exercise(t, over)
		})
		for _, c := range m.Checks {
			examined, err := c.Run(t.Context(), func(subject, detail string) { t.Errorf("%s: %s: %s", c.Rule, subject, detail) })
			require.NoError(t, err)
			require.Positive(t, examined, c.Rule)
		}
	})
}

func TestContractIsComplete(t *testing.T) {
	t.Parallel()
	methods := porttest.Served(func(s *port.Server) { payments.Serve(s, paymentstest.NewFake()) })
	porttest.Complete(t, reflect.TypeFor[payments.Service](), methods...)
}

func TestNewRefusesBadSettings(t *testing.T) {
	t.Parallel()
	for _, p := range []paymentsmodule.Provider{{}, {BaseURL: "127.0.0.1:1", APIKey: "k"}, {BaseURL: "ftp://x", APIKey: "k"}, {BaseURL: "http://x"}, {BaseURL: "http://a:se/cret@x", APIKey: "k"}} {
		_, err := paymentsmodule.New(paymentsmodule.Deps{Provider: p})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "cret")
	}
}
