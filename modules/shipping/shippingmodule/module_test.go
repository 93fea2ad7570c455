package shippingmodule_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/shipping/shippingmodule"
	"github.com/banyan-tree/banyan/modules/shipping/shippingtest"
)

func setup(t *testing.T, db *database.DB) *shippingmodule.Module {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), shippingmodule.Migrations()...))
	m, err := shippingmodule.New(shippingmodule.Deps{
		DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD",
	})
	require.NoError(t, err)
	return m
}

// hear brings events to the module as the relay of orders does.
func hear(m *shippingmodule.Module) func(events ...event.Event) error {
	return func(events ...event.Event) error {
		var batch []event.Envelope
		for _, e := range events {
			data, err := json.Marshal(e.Payload())
			if err != nil {
				return err
			}
			batch = append(batch, event.Envelope{
				ID: id.V7(), Source: "orders", Topic: e.Topic, Type: e.Type, AggregateID: e.AggregateID, Version: e.Version,
				Time: clock.System(), Data: data,
			})
		}
		return m.Consumer.Deliver(context.Background(), batch)
	}
}

func audited(t *testing.T, m *shippingmodule.Module) (examined int, details []string) {
	t.Helper()
	for _, check := range m.Checks {
		n, err := check.Run(context.Background(), func(subject, detail string) { details = append(details, subject+": "+detail) })
		require.NoError(t, err)
		examined += n
	}
	return examined, details
}

// requireVersions checks that each shipment published its versions 1, 2, … and no
// other, which is what consumers wait for; one never made published nothing.
func requireVersions(t *testing.T, db *database.DB) {
	t.Helper()
	var wrong []string
	err := db.Conn(context.Background()).Raw(`SELECT s.order_id FROM shipments AS s
		LEFT JOIN outbox AS o ON o.aggregate_id = s.id AND o.topic = ?
		GROUP BY s.order_id, s.version HAVING COUNT(o.id) <> s.version OR COALESCE(MAX(o.version), 0) <> s.version`,
		shipping.Topic).Scan(&wrong).Error
	require.NoError(t, err)
	require.Empty(t, wrong)
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db)
		t.Cleanup(func() {
			examined, details := audited(t, m)
			require.Empty(t, details)
			require.Positive(t, examined)
			requireVersions(t, db)
			dead, err := m.Consumer.DeadList(context.Background(), 10)
			require.NoError(t, err)
			require.Empty(t, dead)
		})
		porttest.Ways(t, func(s *port.Server) { shipping.Serve(s, m.Service) }, func(t *testing.T, conn *port.Conn) {
			shippingtest.Exercise(t, shippingtest.Harness{Service: shipping.NewClient(conn), Hear: hear(m)})
		})
	})
}

func TestFakeKeepsTheContractToo(t *testing.T) {
	t.Parallel()
	fake := shippingtest.NewFake()
	shippingtest.Exercise(t, shippingtest.Harness{Service: fake, Hear: func(events ...event.Event) error {
		fake.Hear(events...)
		return nil
	}})
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[shipping.Service](),
		porttest.Served(func(s *port.Server) { shipping.Serve(s, shippingtest.NewFake()) })...)
}

// The events of a shipment tell its life in order, and say whose it is.
func TestEventsTellALife(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db)
		h := shippingtest.Harness{Service: m.Service, Hear: hear(m)}
		s := shippingtest.MustShip(t, h)
		for range 2 {
			shippingtest.MustDispatch(t, m.Service, s.ID)
		}
		for range 2 {
			_, err := m.Service.Deliver(shippingtest.Staff(), shipping.DeliverRequest{ShipmentID: s.ID})
			require.NoError(t, err)
		}
		log, err := m.Outbox.List(t.Context(), event.Filter{AggregateID: s.ID})
		require.NoError(t, err)
		slices.SortFunc(log, func(a, b event.Logged) int { return int(a.Version - b.Version) })
		var types []string
		for i, e := range log {
			require.EqualValues(t, i+1, e.Version)
			types = append(types, e.Type)
		}
		require.Equal(t, []string{"shipping.shipment_created", "shipping.shipment_dispatched", "shipping.shipment_delivered"}, types)
		var last shipping.ShipmentChanged
		require.NoError(t, json.Unmarshal(log[2].Data, &last))
		require.Equal(t, shipping.ShipmentChanged{
			ShipmentID: s.ID, OrderID: s.OrderID, UserID: "ada", Carrier: "Banyan Post", TrackingNumber: "BP-1",
		}, last)
	})
}

// The audit must see what the rules were made to prevent.
func TestAuditSeesDamage(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db)
		s := shippingtest.MustShip(t, shippingtest.Harness{Service: m.Service, Hear: hear(m)})
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("UPDATE shipments SET status = 'delivered'").Error
		}))
		_, details := audited(t, m)
		require.Equal(t, []string{
			"shipment " + s.ID + ": it is delivered, but carrier, tracking number and time of dispatch do not fit that",
			"shipment " + s.ID + ": it is delivered, but its time of delivery does not fit that",
		}, details)
	})
}
