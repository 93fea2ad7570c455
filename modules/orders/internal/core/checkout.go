package core

import (
	"context"
	"errors"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// A checkout must be over well before quotes and reservations expire (15 min).
const checkoutTimeout = 5 * time.Minute

// Attempts at a step before the checkout gives up; those that meet nobody do not
// count. Their pauses double from 100 ms, so patient outlasts a neighbour that fails
// for some seconds, and brief a provider that fails twice, while one that always
// fails is given up soon. persistent goes on until the saga's time is over.
const (
	patient    = 10
	brief      = 6
	persistent = 10_000
)

// authoriseDeadline is for one attempt: a slow provider takes three seconds.
const authoriseDeadline = 6 * time.Second

// checkout takes an order from pending to confirmed. Each step can be repeated
// without harm. When one fails for good, what was done is undone upwards, and
// the order is rejected for the reason that the step gave.
func (s *Service) checkout() saga.Definition[Checkout] {
	return saga.Definition[Checkout]{
		Name: "orders.checkout",
		Steps: []saga.Step[Checkout]{
			{Name: "price the cart", Do: s.price, Undo: s.releasePrice, Attempts: patient},
			{Name: "hold the stock", Do: s.holdStock, Undo: s.releaseStock, Attempts: patient},
			{Name: "authorise the payment", Do: s.authorise, Undo: s.void, Attempts: brief, Deadline: authoriseDeadline},
			{Name: "commit the stock", Do: s.commitStock, Attempts: patient},
		},
		Finish:  s.confirm,
		Fail:    s.reject,
		Hide:    func(c *Checkout) { c.Token = "" },
		Timeout: checkoutTimeout,
	}
}

// Checkout is what a checkout remembers between its steps. Token is the
// provider's name for the card; it is wiped as soon as it is not needed, and
// shown to nobody.
type Checkout struct {
	UserID         string              `json:"user_id"`
	Items          []pricing.QuoteItem `json:"items"`
	Basket         []orders.Taken      `json:"basket"` // the cart's lines as they were ordered
	Country        string              `json:"country"`
	ShippingMethod string              `json:"shipping_method"`
	PromoCode      string              `json:"promo_code,omitempty"`
	Method         string              `json:"method,omitempty"` // of payment; empty in checkouts begun before there were wallets: by card
	Token          string              `json:"token,omitempty"`
	Quote          *pricing.Quote      `json:"quote,omitempty"`
	PaymentID      string              `json:"payment_id,omitempty"`
	// Awaited is the key of the request that waits for the decision: the answer is
	// written down with it. Nil where nobody waits.
	Awaited *port.IdempotencyKey `json:"awaited,omitempty"`
}

// unpriced is the reason where no price came: nothing is wrong with what is bought
// when pricing could not be asked.
func unpriced(err error) string {
	if errors.Is(err, fault.Unavailable) || errors.Is(err, fault.DeadlineExceeded) {
		return orders.CheckoutTimeout
	}
	return orders.PriceUnknown
}

func (s *Service) price(ctx context.Context, order string, c *Checkout) error {
	quote, err := s.pricing.Quote(ctx, pricing.QuoteRequest{
		Key: order, Items: c.Items, Country: c.Country, ShippingMethod: c.ShippingMethod, PromoCode: c.PromoCode,
	})
	if err != nil {
		return because(err, unpriced(err))
	}
	if _, err := billOf(quote); err != nil {
		return because(pricing.InvalidQuote.Wrap(err, "the quote does not add up"), orders.PriceUnknown)
	}
	c.Quote = &quote
	return nil
}

func (s *Service) releasePrice(ctx context.Context, order string, _ *Checkout) error {
	_, err := s.pricing.ReleaseQuote(ctx, pricing.ReleaseQuoteRequest{Key: order})
	return err
}

func (s *Service) holdStock(ctx context.Context, order string, c *Checkout) error {
	lines := make([]inventory.Line, 0, len(c.Items))
	for _, item := range c.Items {
		lines = append(lines, inventory.Line{SKU: item.SKU, Quantity: int64(item.Quantity)})
	}
	_, err := s.inventory.Hold(ctx, inventory.HoldRequest{OrderID: order, Lines: lines})
	return because(err, orders.CheckoutTimeout)
}

// releaseStock undoes the commitment as well as the reservation.
func (s *Service) releaseStock(ctx context.Context, order string, _ *Checkout) error {
	_, err := s.inventory.Release(ctx, inventory.ReservationRequest{OrderID: order})
	return err
}

// authorise asks for the quoted total, of the card or of the wallet. Where a
// promotion made everything free there is nothing to ask for.
func (s *Service) authorise(ctx context.Context, order string, c *Checkout) error {
	switch {
	case c.Quote.Total.Amount == 0:
	case c.Method == orders.ByWallet:
		_, err := s.wallet.Hold(ctx, wallet.HoldRequest{OrderID: order, UserID: c.UserID, Amount: c.Quote.Total})
		if err != nil {
			return because(err, orders.PaymentUnavailable)
		}
	default:
		payment, err := s.payments.Authorize(ctx, payments.AuthorizeRequest{
			OrderID: order, UserID: c.UserID, Amount: c.Quote.Total, Token: c.Token,
		})
		if err != nil {
			return because(err, orders.PaymentUnavailable)
		}
		c.PaymentID = payment.ID
	}
	c.Token = ""
	return nil
}

// void is done for an authorisation without known outcome too: it makes a late one impossible.
func (s *Service) void(ctx context.Context, order string, c *Checkout) error {
	c.Token = ""
	if c.Method == orders.ByWallet {
		_, err := s.wallet.Release(ctx, wallet.ReleaseRequest{OrderID: order, UserID: c.UserID})
		return err
	}
	_, err := s.payments.Void(ctx, payments.OrderRequest{OrderID: order})
	return err
}

func (s *Service) commitStock(ctx context.Context, order string, _ *Checkout) error {
	_, err := s.inventory.Commit(ctx, inventory.ReservationRequest{OrderID: order})
	return because(err, orders.CheckoutTimeout)
}

// errCancelRequested sends a checkout back although every step went well.
var errCancelRequested = fault.Define("order.cancel_requested", fault.KindConflict)

func (s *Service) confirm(ctx context.Context, id string, c *Checkout) error {
	order, err := s.store.Lock(ctx, id)
	if err != nil {
		return err
	}
	if order.Cancelling != "" {
		return errCancelRequested.Errorf("the order is to be cancelled")
	}
	bill, err := billOf(*c.Quote)
	if err != nil {
		return err
	}
	c.Token = ""
	if err := order.Confirm(bill, c.PaymentID, c.Basket, s.now()); err != nil {
		return err
	}
	if err := s.save(ctx, order); err != nil {
		return err
	}
	return s.answer(ctx, order, c)
}

// answer writes down what the request that placed the order is answered.
func (s *Service) answer(ctx context.Context, order *Order, c *Checkout) error {
	if c.Awaited == nil {
		return nil
	}
	return s.keys.Settle(ctx, *c.Awaited, order.Order)
}

// reject ends the order that could not be had: rejected, or cancelled if that
// is what its owner wanted meanwhile.
func (s *Service) reject(ctx context.Context, id string, c *Checkout, cause *fault.Error) error {
	order, err := s.store.Lock(ctx, id)
	if err != nil {
		return err
	}
	c.Token = ""
	if c.Quote != nil { // what it would have cost
		bill, err := billOf(*c.Quote)
		if err != nil {
			return err
		}
		order.bill(bill)
	}
	if order.Cancelling != "" {
		err = order.Cancel(orders.CancelRequested, s.now())
	} else {
		reason := reasonOf(cause)
		err = order.Reject(reason, detail(reason, cause), s.now())
	}
	if err != nil {
		return err
	}
	if err := s.save(ctx, order); err != nil {
		return err
	}
	return s.answer(ctx, order, c)
}
