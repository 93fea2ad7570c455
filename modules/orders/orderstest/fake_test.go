package orderstest_test

import (
	"reflect"
	"testing"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
)

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	var fake *orderstest.Fake
	porttest.Ways(t, func(s *port.Server) {
		fake = orderstest.NewFake()
		orders.Serve(s, fake)
	}, func(t *testing.T, conn *port.Conn) {
		fake := fake
		orderstest.Exercise(t, func(*testing.T) orderstest.Harness {
			return orderstest.Harness{
				Service: orders.NewClient(conn),
				NewUser: func(*testing.T) string { return id.V7() },
				Fill:    func(_ *testing.T, user string, items ...cart.CartRef) { fake.Fill(user, items...) },
				Fund:    func(_ *testing.T, user string, cents int64) { fake.Fund(user, cents) },
				InStock: orderstest.InStock, SoldOut: orderstest.SoldOut, Unpriced: orderstest.Unpriced,
				Dispatch: func(_ *testing.T, orderID string) { fake.Become(orderID, orders.Shipped) },
			}
		})
	})
}

func TestPortValuesAreTheContract(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[orders.Service](), porttest.Served(func(s *port.Server) {
		orders.Serve(s, orderstest.NewFake())
	})...)
}
