package ordersmodule_test

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/ordersmodule"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/wallet"
)

func TestCheckoutTakesEverythingOnce(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		stock := b.shop.Stock(orderstest.InStock)
		user := b.buyer(3)
		order := orderstest.MustPlace(t, b.Service, user, "tok_flaky")
		require.Equal(t, orders.Confirmed, order.Status)
		require.Equal(t, int64(3*orderstest.Price), order.Totals.Subtotal.Amount)
		require.Equal(t, 3, b.shop.Calls("payments.authorize", order.ID), "two failures and a success")
		require.Equal(t, stock-3, b.shop.Stock(orderstest.InStock))
		require.Equal(t, []string{"orders.confirmed"}, b.published(order.ID))
		require.Equal(t, []orders.Taken{{SKU: orderstest.InStock, Quantity: 3, Revision: orderstest.Revision}}, b.basket(order.ID))
		require.Zero(t, b.shop.Calls("payments.void", order.ID))
	})
}

// Whatever step fails for good, everything before it is undone and the customer
// is told why.
func TestCheckoutUndoesWhatItDid(t *testing.T) {
	t.Parallel()
	db := testenv.SQLite(t, "test")
	b := setup(t, db)
	for _, c := range []struct {
		method string
		err    error
		reason string
		voided int
		token  string // empty: tok_visa
	}{
		{"pricing.quote", pricing.InvalidPromotion.Errorf("no"), orders.PromotionInvalid, 0, ""},
		{"pricing.quote", pricing.ShippingUnavailable.Errorf("no"), orders.ShippingUnavailable, 0, ""},
		{"pricing.quote", pricing.InvalidQuote.Errorf("no"), orders.PriceUnknown, 0, ""},
		{"inventory.hold", inventory.UnknownSKU.Errorf("no"), orders.StockInsufficient, 0, ""},
		{"payments.authorize", payments.Declined.Errorf("no"), orders.PaymentDeclined, 1, ""},
		{"payments.authorize", payments.InvalidPayment.Errorf("no"), orders.PaymentDeclined, 1, ""},
		{"payments.authorize", payments.ProviderUnavailable.Errorf("no"), orders.PaymentUnavailable, 1, ""},
		{"payments.authorize", fault.Forbidden.Errorf("no"), orders.PaymentUnavailable, 1, ""},
		{"inventory.commit", inventory.ReservationExpired.Errorf("no"), orders.CheckoutTimeout, 1, ""},
		{"wallet.hold", wallet.InsufficientFunds.Errorf("no"), orders.PaymentDeclined, 1, orderstest.Wallet},
		{"wallet.hold", wallet.HoldReleased.Errorf("no"), orders.PaymentUnavailable, 1, orderstest.Wallet},
		{"wallet.hold", fault.DeadlineExceeded.Errorf("no"), orders.PaymentUnavailable, 1, orderstest.Wallet},
		{"inventory.commit", inventory.ReservationExpired.Errorf("no"), orders.CheckoutTimeout, 1, orderstest.Wallet},
	} {
		stock := b.shop.Stock(orderstest.InStock)
		b.shop.Before(func(method, _ string) error {
			if method == c.method {
				return c.err
			}
			return nil
		})
		user := b.buyer(2)
		credit := b.shop.Credit(user)
		order := orderstest.MustPlace(t, b.Service, user, cmp.Or(c.token, "tok_visa"))
		name := c.method + " " + c.err.Error()
		require.Equal(t, orders.Rejected, order.Status, name)
		require.Equal(t, c.reason, order.Reason, name)
		require.NotEmpty(t, order.History[len(order.History)-1].Detail)
		require.Equal(t, []string{"orders.rejected"}, b.published(order.ID), name)
		require.Equal(t, stock, b.shop.Stock(orderstest.InStock), name)
		require.True(t, b.shop.Released(order.ID), name)
		undo, other := "payments.void", "wallet.release"
		if c.token == orderstest.Wallet {
			undo, other = other, undo
		}
		require.Equal(t, c.voided, b.shop.Calls(undo, order.ID), name)
		require.Zero(t, b.shop.Calls(other, order.ID), name)
		require.Equal(t, credit, b.shop.Credit(user), name)
		require.Equal(t, 1, b.shop.Left(user), "the cart is kept")
	}
}

// A neighbour that is away for a moment costs no order.
func TestCheckoutOutlastsTrouble(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	var mu sync.Mutex
	failures := map[string]int{}
	b.shop.Before(func(method, order string) error {
		mu.Lock()
		defer mu.Unlock()
		if method == "cart.get" {
			return nil
		}
		if failures[method+order]++; failures[method+order] <= 2 {
			return fault.Unavailable.Errorf("%s is away", method)
		}
		return nil
	})
	user := b.buyer(1)
	order := orderstest.MustPlace(t, b.Service, user, "tok_visa")
	require.Equal(t, orders.Confirmed, order.Status)
	for _, method := range []string{"pricing.quote", "inventory.hold", "payments.authorize", "inventory.commit"} {
		require.Equal(t, 3, b.shop.Calls(method, order.ID), method)
	}
}

// A neighbour that is away for longer than any step has attempts is waited for.
func TestCheckoutOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		for token, method := range map[string]string{"tok_visa": "payments.authorize", orderstest.Wallet: "wallet.hold"} {
			var back atomic.Bool
			b.shop.Before(func(m, _ string) error {
				if m == method && !back.Load() {
					return fault.Unavailable.Errorf("%s does not run", m)
				}
				return nil
			})
			user := b.buyer(1)
			req := orderstest.Request(user, token)
			req.WaitMillis = 0
			order, err := b.Service.Place(orderstest.As(user), req)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return b.shop.Calls(method, order.ID) > 8 }, patience, time.Millisecond)
			require.Equal(t, orders.Pending, b.get(order.ID).Status)
			back.Store(true)
			b.becomes(order.ID, orders.Confirmed)
			require.Zero(t, b.shop.Calls("payments.void", order.ID)+b.shop.Calls("wallet.release", order.ID))
		}
	})
}

// It is waited for until the checkout's time is up; then the customer is told what was missing.
func TestCheckoutWaitsUntilItsTimeIsUp(t *testing.T) {
	t.Parallel()
	for token, method := range map[string]string{"tok_visa": "payments.authorize", orderstest.Wallet: "wallet.hold"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			b := setup(t, testenv.SQLite(t, "test"))
			b.shop.Before(func(m, order string) error {
				if m != method {
					return nil
				}
				if b.shop.Calls(m, order) > 8 {
					b.late.Store(int64(10 * time.Minute))
				}
				return fault.Unavailable.Errorf("%s does not run", m)
			})
			user := b.buyer(1)
			req := orderstest.Request(user, token)
			req.WaitMillis = 0
			order, err := b.Service.Place(orderstest.As(user), req)
			require.NoError(t, err)
			b.becomes(order.ID, orders.Rejected)
			require.Equal(t, orders.PaymentUnavailable, b.get(order.ID).Reason)
			require.Greater(t, b.shop.Calls(method, order.ID), 8)
			require.Equal(t, 1, b.shop.Calls("payments.void", order.ID)+b.shop.Calls("wallet.release", order.ID))
		})
	}
}

// A checkout whose process ends in the middle of a step goes on in the next one.
func TestCheckoutGoesOnAfterRestart(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		for token, method := range map[string]string{"tok_visa": "payments.authorize", orderstest.Wallet: "wallet.hold"} {
			goesOnAfterRestart(t, db, token, method)
		}
	})
}

func goesOnAfterRestart(t *testing.T, db *database.DB, token, in string) {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), ordersmodule.Migrations()...))
	shop := orderstest.NewShop()
	first := build(t, db, shop)
	cancel, ended := first.run()
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	shop.Before(func(method, _ string) error {
		if method == in {
			once.Do(func() { close(reached) })
			<-release
		}
		return nil
	})
	req := orderstest.Request(first.buyer(1), token)
	req.WaitMillis = 0
	order, err := first.Service.Place(orderstest.As(req.UserID), req)
	require.NoError(t, err)
	<-reached
	cancel()
	close(release)
	ended()
	require.Equal(t, orders.Pending, first.get(order.ID).Status)

	second := build(t, db, shop)
	second.run()
	second.becomes(order.ID, orders.Confirmed)
	require.Equal(t, []string{"orders.confirmed"}, second.published(order.ID))
	require.Equal(t, int64(1_000_000-1), shop.Stock(orderstest.InStock))
	if token == orderstest.Wallet {
		require.Equal(t, 1_000_000-second.get(order.ID).Totals.Total.Amount, shop.Credit(req.UserID))
	}
}

func TestFreeOrdersNeedNoPayment(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	req := orderstest.Request(b.buyer(1), "tok_visa")
	req.PromoCode = orderstest.Free
	order, err := b.Service.Place(orderstest.As(req.UserID), req)
	require.NoError(t, err)
	require.Equal(t, orders.Confirmed, order.Status)
	require.Zero(t, order.Totals.Total.Amount)
	require.Zero(t, b.shop.Calls("payments.authorize", order.ID))
	b.dispatch(order.ID)
	b.becomes(order.ID, orders.Shipped)
}

func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	release := make(chan struct{})
	b.shop.Before(func(method, _ string) error {
		if method == "pricing.quote" {
			<-release
		}
		return nil
	})
	req := orderstest.Request(b.buyer(1), "tok_visa")
	req.WaitMillis = 50
	order, err := b.Service.Place(orderstest.As(req.UserID), req)
	require.NoError(t, err)
	require.Equal(t, orders.Pending, order.Status)
	close(release)
	b.becomes(order.ID, orders.Confirmed)
}

func TestManyCheckoutsAtOnce(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		stock := b.shop.Stock(orderstest.InStock)
		var buyers sync.WaitGroup
		placed := make(chan string, 64)
		for range 64 {
			buyers.Go(func() {
				user := b.buyer(1)
				order, err := b.Service.Place(orderstest.As(user), orderstest.Request(user, "tok_visa"))
				if err != nil {
					t.Errorf("place: %v", err)
					return
				}
				placed <- order.ID
			})
		}
		buyers.Wait()
		close(placed)
		for id := range placed {
			b.becomes(id, orders.Confirmed)
		}
		require.Equal(t, stock-64, b.shop.Stock(orderstest.InStock))
	})
}

func TestCartKeepsWhatWasAddedMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t, testenv.SQLite(t, "test"))
	user := b.buyer(1)
	b.shop.Before(func(method, _ string) error {
		if method == "pricing.quote" {
			b.shop.Fill(user, cart.CartRef{SKU: "late", Quantity: 1})
		}
		return nil
	})
	order := orderstest.MustPlace(t, b.Service, user, "tok_visa")
	require.Len(t, order.Lines, 1)
	require.Equal(t, []orders.Taken{{SKU: orderstest.InStock, Quantity: 1, Revision: orderstest.Revision}}, b.basket(order.ID))
}

// Earlier versions emptied the cart by a saga. One that is under way goes on.
func TestCartIsEmptiedByTheSagaOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), ordersmodule.Migrations()...))
		b := build(t, db, orderstest.NewShop())
		user, now := b.buyer(1), database.At(time.Now())
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec(`INSERT INTO sagas (id, name, state, status, resume, step, reached, attempts, crashes,
					next_at, started_at, deadline_at, updated_at, claimed_by, epoch, cause, traceparent, history)
				VALUES ('old', 'orders.empty_cart', ?, 'running', '', 0, 0, 0, 0, ?, ?, ?, ?, '', 1, '', '', '[]')`,
				`{"user_id":"`+user+`","order_id":"o1","items":[{"sku":"`+orderstest.InStock+`","quantity":1}]}`,
				now, now, database.At(now.Add(time.Hour)), now).Error
		}))
		b.run()
		require.Eventually(t, func() bool { return b.shop.Left(user) == 0 }, patience, 5*time.Millisecond)
		require.Equal(t, 1, b.shop.Calls("cart.check_out", "o1"))
	})
}
