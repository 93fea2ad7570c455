package ordersmodule_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/ordersmodule"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

const patience = 2 * time.Minute

// bundle is the module in a small shop.
type bundle struct {
	*ordersmodule.Module
	t    *testing.T
	db   *database.DB
	shop *orderstest.Shop
	late *atomic.Int64 // how far the clock is ahead, in nanoseconds
	log  *told         // of what neighbours tell; nil: it is delivered, and kept nowhere

	mu       sync.Mutex
	versions map[string]int64 // of what neighbours publish, by aggregate
}

func setup(t *testing.T, db *database.DB) *bundle {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), ordersmodule.Migrations()...))
	b := build(t, db, orderstest.NewShop())
	b.run()
	return b
}

// build makes the module without running it.
func build(t *testing.T, db *database.DB, shop *orderstest.Shop) *bundle {
	t.Helper()
	late := new(atomic.Int64)
	module, err := ordersmodule.New(ordersmodule.Deps{
		DB: db, NewID: id.V7, Currency: "USD", Log: slog.New(slog.DiscardHandler),
		Now:  func() time.Time { return clock.System().Add(time.Duration(late.Load())) },
		Cart: shop.Cart, Pricing: shop.Pricing, Inventory: shop.Inventory, Payments: shop.Payments, Shipping: shop.Shipping, Wallet: shop.Wallet,
	})
	require.NoError(t, err)
	return &bundle{Module: module, t: t, db: db, shop: shop, late: late, versions: map[string]int64{}}
}

// run runs the module's tasks until cancel is called or the test ends; ended
// waits for that.
func (b *bundle) run() (cancel, ended func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range b.Tasks {
		tasks.Go(func() {
			if err := task.Run(ctx); err != nil {
				b.t.Errorf("%s: %v", task.Name, err)
			}
		})
	}
	b.t.Cleanup(func() { cancel(); tasks.Wait() })
	return cancel, tasks.Wait
}

func (b *bundle) harness() orderstest.Harness {
	return orderstest.Harness{
		Service: b.Service,
		NewUser: func(*testing.T) string { return id.V7() },
		Fill:    func(_ *testing.T, user string, items ...cart.CartRef) { b.shop.Fill(user, items...) },
		Fund:    func(_ *testing.T, user string, cents int64) { b.shop.Fund(user, cents) },
		InStock: orderstest.InStock, SoldOut: orderstest.SoldOut, Unpriced: orderstest.Unpriced,
		Dispatch: func(_ *testing.T, orderID string) { b.dispatch(orderID); b.capture(orderID) },
	}
}

// buyer is a user with mugs in the cart.
func (b *bundle) buyer(mugs int) string {
	user := id.V7()
	b.shop.Fill(user, cart.CartRef{SKU: orderstest.InStock, Quantity: mugs})
	b.shop.Fund(user, 1_000_000)
	return user
}

func (b *bundle) place(token string) orders.Order {
	b.t.Helper()
	return orderstest.MustPlace(b.t, b.Service, b.buyer(2), token)
}

func (b *bundle) get(orderID string) orders.Order {
	b.t.Helper()
	return orderstest.MustGet(b.t, b.Service, orderID)
}

func (b *bundle) becomes(orderID, status string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.get(orderID).Status == status }, patience, 5*time.Millisecond)
}

// tell brings an event of a neighbour to the module, as the bus would.
func (b *bundle) tell(recorded func(version int64) event.Event) {
	b.t.Helper()
	b.mu.Lock()
	aggregate := recorded(1).Topic + recorded(1).AggregateID
	b.versions[aggregate]++
	e := recorded(b.versions[aggregate])
	b.mu.Unlock()
	if b.log != nil {
		b.log.publish(b.t, e)
		return
	}
	data, err := json.Marshal(e.Payload())
	require.NoError(b.t, err)
	require.NoError(b.t, b.Consumer.Deliver(context.Background(), []event.Envelope{{
		ID: id.V7(), Source: "test", Topic: e.Topic, Type: e.Type, AggregateID: e.AggregateID,
		Version: e.Version, Time: clock.System(), Data: data,
	}}))
}

// told is the logs of the neighbours' events, by module, and the bus that brings them.
type told struct {
	outboxes map[string]*event.Outbox
	dbs      map[string]*database.DB
	bus      *event.Bus
}

// keep has each neighbour keep a log of what it tells from now on.
func (b *bundle) keep(open func(module string) *database.DB) {
	b.t.Helper()
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(b.t, err)
	b.log = &told{outboxes: map[string]*event.Outbox{}, dbs: map[string]*database.DB{}, bus: bus}
	for _, module := range []string{"payments", "shipping", "wallet"} {
		db := open(module)
		require.NoError(b.t, db.Migrate(b.t.Context(), event.OutboxMigrations()))
		b.log.dbs[module], b.log.outboxes[module] = db, event.NewOutbox(db, clock.System, id.V7)
		bus.Source(b.log.outboxes[module])
	}
	bus.Subscribe(b.Consumer)
}

// publish leaves an event in the log of the module that its topic names, and waits
// until it is applied.
func (l *told) publish(t *testing.T, e event.Event) {
	t.Helper()
	module, _, _ := strings.Cut(e.Topic, ".")
	require.NoError(t, l.dbs[module].Atomic(t.Context(), func(ctx context.Context) error { return l.outboxes[module].Publish(ctx, e) }))
	require.NoError(t, l.bus.Drain(t.Context()))
}

func (b *bundle) shipment(kind *event.Type[shipping.ShipmentChanged], orderID string) {
	b.t.Helper()
	b.tell(func(v int64) event.Event {
		return kind.New("ship-"+orderID, v, shipping.ShipmentChanged{ShipmentID: "ship-" + orderID, OrderID: orderID, Carrier: "DHL", TrackingNumber: "JD014600"})
	})
}

func (b *bundle) payment(kind *event.Type[payments.PaymentChanged], orderID string, amount int64) {
	b.t.Helper()
	total := b.get(orderID).Totals.Total
	total.Amount = amount
	change := payments.PaymentChanged{PaymentID: "pay-" + orderID, OrderID: orderID, Amount: total}
	if kind == payments.PaymentRefunded {
		b.shop.Payment(orderID, func(p *payments.Payment) { change.Refunded = p.Refunded })
	}
	b.tell(func(v int64) event.Event { return kind.New("pay-"+orderID, v, change) })
}

func (b *bundle) dispatch(orderID string) {
	b.t.Helper()
	b.shop.Dispatched(orderID)
	b.shipment(shipping.ShipmentCreated, orderID)
	b.shipment(shipping.ShipmentDispatched, orderID)
}

func (b *bundle) capture(orderID string) {
	b.t.Helper()
	b.shop.Payment(orderID, func(p *payments.Payment) { p.Status, p.Captured = payments.Captured, p.Amount })
	b.payment(payments.PaymentAuthorised, orderID, b.get(orderID).Totals.Total.Amount)
	b.payment(payments.PaymentCaptured, orderID, b.get(orderID).Totals.Total.Amount)
}

// captureHold tells that the wallet of an order's buyer paid.
func (b *bundle) captureHold(orderID string) {
	b.t.Helper()
	b.shop.Held(orderID, func(h *wallet.Hold) { h.Status = wallet.Captured })
	order := b.get(orderID)
	b.tell(func(v int64) event.Event {
		return wallet.HoldCaptured.New(order.UserID, v, wallet.Changed{UserID: order.UserID, Reference: orderID, Amount: order.Totals.Total})
	})
}

func (b *bundle) deliver(orderID string) {
	b.t.Helper()
	b.shop.Delivered(orderID, clock.System())
	b.shipment(shipping.ShipmentDelivered, orderID)
}

// basket gives what the confirmation of an order says that it takes out of its cart.
func (b *bundle) basket(orderID string) []orders.Taken {
	b.t.Helper()
	var data string
	err := b.db.Conn(context.Background()).
		Raw("SELECT data FROM outbox WHERE aggregate_id = ? AND type = ?", orderID, orders.WasConfirmed.Name()).Scan(&data).Error
	require.NoError(b.t, err)
	var confirmed orders.OrderConfirmed
	require.NoError(b.t, json.Unmarshal([]byte(data), &confirmed))
	return confirmed.Basket
}

// published gives the types of the events about an order, in order of version,
// and checks that versions count from 1 without gaps.
func (b *bundle) published(orderID string) []string {
	b.t.Helper()
	var rows []struct {
		Type    string
		Version int64
	}
	err := b.db.Conn(context.Background()).
		Raw("SELECT type, version FROM outbox WHERE aggregate_id = ? ORDER BY version", orderID).Scan(&rows).Error
	require.NoError(b.t, err)
	var types []string
	for i, r := range rows {
		require.Equal(b.t, int64(i+1), r.Version)
		types = append(types, r.Type)
	}
	return types
}
