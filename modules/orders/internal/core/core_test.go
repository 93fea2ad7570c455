package core

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$`)
	seen := map[string]bool{}
	for range 10_000 {
		made := id.V7()
		n := numberOf(made)
		require.Regexp(t, form, n)
		require.Equal(t, n, numberOf(made), "an order keeps its number")
		require.False(t, seen[n])
		seen[n] = true
	}
	require.Equal(t, "1EQY4-8APT9", numberOf("order-1"), "numbers are printed on paper: they never change")
}

// Whatever happens to an order in whatever turn: it goes only where the business
// lets it, each published change has the next version, and the history ends with
// the present status.
func TestOrderGoesOnlyForward(t *testing.T) {
	t.Parallel()
	next := map[string][]string{
		orders.Pending:   {orders.Confirmed, orders.Rejected, orders.Cancelled},
		orders.Confirmed: {orders.Shipped, orders.Delivered, orders.Cancelled},
		orders.Shipped:   {orders.Delivered},
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		o := newOrder("order-1", "USD", orders.PlaceRequest{UserID: "ada"}, cart.Cart{Lines: []cart.Line{{SKU: "mug", Quantity: 1}}}, at)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			before, events := o.Status, len(o.events)
			at = at.Add(time.Second)
			var err error
			switch rapid.SampledFrom([]string{"confirm", "reject", "cancel", "ship", "deliver"}).Draw(t, "what") {
			case "confirm":
				err = o.Confirm(Bill{}, "pay-1", nil, at)
			case "reject":
				err = o.Reject(orders.PriceUnknown, "no", at)
			case "cancel":
				err = o.Cancel(orders.CancelRequested, at)
			case "ship":
				err = o.Ship(at)
			case "deliver":
				err = o.Deliver(at)
			}
			if o.Status == before {
				require.Len(t, o.events, events, "nothing to tell")
				continue
			}
			require.NoError(t, err)
			require.Contains(t, next[before], o.Status)
			require.Equal(t, o.Status, o.History[len(o.History)-1].Status)
			require.Equal(t, at, o.UpdatedAt)
		}
		require.EqualValues(t, len(o.events), o.Version)
		for i, e := range o.events {
			require.EqualValues(t, i+1, e.Version)
			require.Equal(t, "order-1", e.AggregateID)
		}
	})
}

func TestDeliveryThatOvertakesThePayment(t *testing.T) {
	t.Parallel()
	at := time.Now()
	o := newOrder("order-1", "USD", orders.PlaceRequest{}, cart.Cart{}, at)
	require.NoError(t, o.Confirm(Bill{}, "pay-1", nil, at))
	require.NoError(t, o.Deliver(at))
	require.Equal(t, orders.Confirmed, o.Status)
	require.NoError(t, o.Ship(at))
	require.Equal(t, orders.Delivered, o.Status)
	require.EqualValues(t, 3, o.Version)
}

func usd(amount int64) money.Money { return money.Of(amount, "USD") }

// A bill takes over its quote to the cent, or refuses it.
func TestBillIsItsQuote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 1_000_000)
		q := pricing.Quote{ID: "q", Subtotal: usd(0), Shipping: usd(amount.Draw(t, "shipping")), Tax: usd(amount.Draw(t, "tax")), Weight: 7}
		for range rapid.IntRange(1, 5).Draw(t, "lines") {
			unit, n := amount.Draw(t, "unit"), rapid.IntRange(1, 99).Draw(t, "quantity")
			q.Lines = append(q.Lines, pricing.QuoteLine{SKU: "mug", Quantity: n, Unit: usd(unit), Total: usd(unit * int64(n))})
			q.Subtotal.Amount += unit * int64(n)
		}
		q.Discount = usd(rapid.Int64Range(0, q.Subtotal.Amount).Draw(t, "discount"))
		q.Total = usd(q.Subtotal.Amount - q.Discount.Amount + q.Shipping.Amount + q.Tax.Amount)
		b, err := billOf(q)
		require.NoError(t, err)
		require.Equal(t, orders.Totals{Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total}, b.Totals)
		require.Len(t, b.Lines, len(q.Lines))
		require.EqualValues(t, 7, b.WeightGrams)

		off := rapid.Int64Range(1, 5).Draw(t, "off by")
		spoiled := rapid.SampledFrom([]*int64{&q.Subtotal.Amount, &q.Discount.Amount, &q.Shipping.Amount, &q.Tax.Amount, &q.Total.Amount, &q.Lines[0].Total.Amount}).Draw(t, "spoiled")
		*spoiled += off
		_, err = billOf(q)
		require.Error(t, err)
	})
}

func TestBillRefusesMixedCurrencies(t *testing.T) {
	t.Parallel()
	q := pricing.Quote{Subtotal: usd(100), Discount: usd(0), Shipping: usd(0), Tax: money.Of(5, "EUR"), Total: usd(105),
		Lines: []pricing.QuoteLine{{SKU: "mug", Quantity: 1, Unit: usd(100), Total: usd(100)}}}
	_, err := billOf(q)
	require.Error(t, err)
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err       error
		otherwise string
		reason    string
		again     bool
	}{
		{inventory.InsufficientStock.Errorf("x"), orders.PriceUnknown, orders.StockInsufficient, false},
		{inventory.UnknownSKU.Errorf("x"), orders.StockInsufficient, orders.StockInsufficient, false},
		{inventory.ReservationExpired.Errorf("x"), orders.StockInsufficient, orders.CheckoutTimeout, false},
		{pricing.QuoteExpired.Errorf("x"), orders.PriceUnknown, orders.CheckoutTimeout, false},
		{payments.ProviderUnavailable.Errorf("x"), orders.PaymentDeclined, orders.PaymentUnavailable, true},
		{payments.AlreadyVoided.Errorf("x"), orders.PaymentUnavailable, orders.PaymentUnavailable, false},
		{fault.Unavailable.Errorf("x"), orders.StockInsufficient, orders.StockInsufficient, true},
		{context.DeadlineExceeded, orders.PaymentUnavailable, orders.PaymentUnavailable, true},
		{fault.Unavailable.Errorf("x"), unpriced(fault.Unavailable.Errorf("x")), orders.CheckoutTimeout, true},
		{pricing.UnknownPrice.Errorf("x"), unpriced(pricing.UnknownPrice.Errorf("x")), orders.PriceUnknown, false},
		{errors.New("a bug"), orders.PriceUnknown, orders.PriceUnknown, true},
	} {
		err := because(c.err, c.otherwise)
		require.ErrorIs(t, err, c.err, "the cause is kept for operators")
		require.Equal(t, c.again, fault.Retryable(err), "%v", c.err)
		require.Equal(t, c.reason, reasonOf(fault.From(err)), "%v", c.err)
	}
	require.NoError(t, because(nil, orders.PriceUnknown))
	require.ErrorIs(t, because(fault.Canceled.Errorf("stopping"), orders.PriceUnknown), fault.Canceled)
	require.Equal(t, orders.CheckoutTimeout, reasonOf(saga.Timeout.Errorf("5 min")))
	require.Equal(t, orders.PaymentUnavailable, reasonOf(saga.Timeout.Errorf("5 min").WithDetail("last_code", orders.PaymentUnavailable)))
	require.Equal(t, orders.CheckoutTimeout, reasonOf(saga.Timeout.Errorf("5 min").WithDetail("last_code", "internal")))
	for _, reason := range reasons {
		require.NotEmpty(t, detail(reason, nil), reason)
	}
	for _, c := range []struct {
		err    error
		reason string
		says   string
	}{
		{inventory.InsufficientStock.Errorf("1 of y were asked for").WithDetail("y", "0").WithDetail("x", "2"), orders.StockInsufficient, "not in stock any more: x, y"},
		{inventory.UnknownSKU.Errorf("x"), orders.StockInsufficient, details[orders.StockInsufficient]},
		{pricing.InvalidPromotion.Errorf("promotion SPRING has ended"), orders.PromotionInvalid, "promotion SPRING has ended"},
		{payments.Declined.Errorf("by the bank of x"), orders.PaymentDeclined, details[orders.PaymentDeclined]},
	} {
		require.Equal(t, c.says, detail(c.reason, fault.From(because(c.err, orders.CheckoutTimeout))))
	}
}
