package orderstest

import (
	"context"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Each neighbour answers what orders asks; the embedded interface is nil, so
// anything else panics.
type (
	carts struct {
		cart.Service
		shop *Shop
	}
	prices struct {
		pricing.Service
		shop *Shop
	}
	stocks struct {
		inventory.Service
		shop *Shop
	}
	cashier struct {
		payments.Service
		shop *Shop
	}
	parcels struct {
		shipping.Service
		shop *Shop
	}
)

func (c carts) Get(_ context.Context, req cart.GetRequest) (cart.Cart, error) {
	s := c.shop
	if err := s.enter("cart.get", ""); err != nil {
		return cart.Cart{}, err
	}
	defer s.mu.Unlock()
	return cart.Cart{Lines: slices.Clone(s.carts[req.Owner.UserID])}, nil
}

func (c carts) CheckOut(_ context.Context, req cart.CheckOutRequest) (cart.CheckOutReply, error) {
	s := c.shop
	if err := s.enter("cart.check_out", req.OrderID); err != nil {
		return cart.CheckOutReply{}, err
	}
	defer s.mu.Unlock()
	if !s.checkedOut[req.OrderID] {
		s.checkedOut[req.OrderID] = true
		s.carts[req.UserID] = slices.DeleteFunc(s.carts[req.UserID], func(l cart.Line) bool {
			return slices.ContainsFunc(req.Items, func(i cart.CartRef) bool { return i.SKU == l.SKU })
		})
	}
	return cart.CheckOutReply{}, nil
}

func (p prices) Quote(_ context.Context, req pricing.QuoteRequest) (pricing.Quote, error) {
	s := p.shop
	if err := s.enter("pricing.quote", req.Key); err != nil {
		return pricing.Quote{}, err
	}
	defer s.mu.Unlock()
	if q, ok := s.quotes[req.Key]; ok {
		return q, nil
	}
	q := pricing.Quote{ID: "quote-" + req.Key, Subtotal: usd(0), Discount: usd(0), Shipping: usd(500), ExpiresAt: now().Add(pricing.QuoteTTL)}
	for _, i := range req.Items {
		if i.SKU == Unpriced {
			return pricing.Quote{}, pricing.UnknownPrice.Errorf("%s has no price", i.SKU)
		}
		total := Price * int64(i.Quantity)
		q.Lines = append(q.Lines, pricing.QuoteLine{SKU: i.SKU, Title: "A " + i.SKU, Quantity: i.Quantity, Unit: usd(Price), Total: usd(total)})
		q.Subtotal.Amount += total
		q.Weight += 300 * int64(i.Quantity)
	}
	q.Tax = usd(q.Subtotal.Amount / 10)
	switch req.PromoCode {
	case "":
	case Free:
		q.Discount, q.Shipping, q.Tax = q.Subtotal, usd(0), usd(0)
	default:
		return pricing.Quote{}, pricing.InvalidPromotion.Errorf("no promotion %s", req.PromoCode)
	}
	q.Total = usd(q.Subtotal.Amount - q.Discount.Amount + q.Shipping.Amount + q.Tax.Amount)
	s.quotes[req.Key] = q
	return q, nil
}

func (p prices) ReleaseQuote(_ context.Context, req pricing.ReleaseQuoteRequest) (pricing.ReleaseQuoteReply, error) {
	s := p.shop
	if err := s.enter("pricing.release_quote", req.Key); err != nil {
		return pricing.ReleaseQuoteReply{}, err
	}
	defer s.mu.Unlock()
	s.released[req.Key] = true
	return pricing.ReleaseQuoteReply{}, nil
}

func (st stocks) Hold(_ context.Context, req inventory.HoldRequest) (inventory.Reservation, error) {
	s := st.shop
	if err := s.enter("inventory.hold", req.OrderID); err != nil {
		return inventory.Reservation{}, err
	}
	defer s.mu.Unlock()
	if r, ok := s.reservations[req.OrderID]; ok {
		if r.Status == inventory.Released {
			return r, inventory.ReservationExpired.Errorf("released")
		}
		return r, nil
	}
	for _, l := range req.Lines {
		if s.stock[l.SKU] < l.Quantity {
			return inventory.Reservation{}, inventory.InsufficientStock.Errorf("only %d of %s", s.stock[l.SKU], l.SKU)
		}
	}
	for _, l := range req.Lines {
		s.stock[l.SKU] -= l.Quantity
	}
	r := inventory.Reservation{OrderID: req.OrderID, Status: inventory.Held, Lines: req.Lines, ExpiresAt: now().Add(inventory.HoldTTL)}
	s.reservations[req.OrderID] = r
	return r, nil
}

func (st stocks) Commit(_ context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	s := st.shop
	if err := s.enter("inventory.commit", req.OrderID); err != nil {
		return inventory.Reservation{}, err
	}
	defer s.mu.Unlock()
	r := s.reservations[req.OrderID]
	if r.Status != inventory.Held && r.Status != inventory.Committed {
		return r, inventory.ReservationExpired.Errorf("%s", r.Status)
	}
	r.Status = inventory.Committed
	s.reservations[req.OrderID] = r
	return r, nil
}

func (st stocks) Release(_ context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	s := st.shop
	if err := s.enter("inventory.release", req.OrderID); err != nil {
		return inventory.Reservation{}, err
	}
	defer s.mu.Unlock()
	r := s.reservations[req.OrderID]
	if r.Status == inventory.Held || r.Status == inventory.Committed {
		for _, l := range r.Lines {
			s.stock[l.SKU] += l.Quantity
		}
	}
	r.OrderID, r.Status = req.OrderID, inventory.Released
	s.reservations[req.OrderID] = r
	return r, nil
}

func (st stocks) Get(_ context.Context, req inventory.ReservationRequest) (inventory.Reservation, error) {
	s := st.shop
	if err := s.enter("inventory.get", req.OrderID); err != nil {
		return inventory.Reservation{}, err
	}
	defer s.mu.Unlock()
	r, ok := s.reservations[req.OrderID]
	if !ok {
		return r, inventory.ReservationUnknown.Errorf("none for %s", req.OrderID)
	}
	return r, nil
}

func (c cashier) Authorize(_ context.Context, req payments.AuthorizeRequest) (payments.Payment, error) {
	s := c.shop
	if err := s.enter("payments.authorize", req.OrderID); err != nil {
		return payments.Payment{}, err
	}
	defer s.mu.Unlock()
	p, ok := s.payments[req.OrderID]
	switch {
	case ok && p.Status == payments.Voided:
		return p, payments.AlreadyVoided.Errorf("given up")
	case ok && p.Status == payments.DeclinedBy, req.Token == "tok_declined", req.Token == "tok_insufficient_funds":
		s.payments[req.OrderID] = payments.Payment{ID: "pay-" + req.OrderID, OrderID: req.OrderID, Status: payments.DeclinedBy, Amount: usd(0), Captured: usd(0), Refunded: usd(0)}
		return payments.Payment{}, payments.Declined.Errorf("the card was declined")
	case ok:
		return p, nil
	case req.Token == "tok_error", req.Token == "tok_flaky" && s.calls["payments.authorize "+req.OrderID] <= 2:
		return payments.Payment{}, payments.ProviderUnavailable.Errorf("the provider answered 500")
	}
	p = payments.Payment{
		ID: "pay-" + req.OrderID, OrderID: req.OrderID, UserID: req.UserID, Status: payments.Authorised,
		Amount: req.Amount, Captured: usd(0), Refunded: usd(0), CreatedAt: now(), UpdatedAt: now(),
	}
	s.payments[req.OrderID] = p
	return p, nil
}

func (c cashier) Void(_ context.Context, req payments.OrderRequest) (payments.VoidReply, error) {
	s := c.shop
	if err := s.enter("payments.void", req.OrderID); err != nil {
		return payments.VoidReply{}, err
	}
	defer s.mu.Unlock()
	p := s.payments[req.OrderID]
	if p.Status != payments.DeclinedBy {
		p.OrderID, p.Status = req.OrderID, payments.Voided
	}
	s.payments[req.OrderID] = p
	return payments.VoidReply{}, nil
}

func (c cashier) ByOrder(_ context.Context, req payments.OrderRequest) (payments.Payment, error) {
	s := c.shop
	if err := s.enter("payments.by_order", req.OrderID); err != nil {
		return payments.Payment{}, err
	}
	defer s.mu.Unlock()
	p, ok := s.payments[req.OrderID]
	if !ok {
		return p, payments.PaymentNotFound.Errorf("none for %s", req.OrderID)
	}
	return p, nil
}

// CancelForOrder leaves a cancelled shipment where there is none yet.
func (p parcels) CancelForOrder(_ context.Context, req shipping.OrderRequest) (shipping.CancelReply, error) {
	s := p.shop
	if err := s.enter("shipping.cancel_for_order", req.OrderID); err != nil {
		return shipping.CancelReply{}, err
	}
	defer s.mu.Unlock()
	sh, ok := s.shipments[req.OrderID]
	if ok && sh.Status != shipping.Pending && sh.Status != shipping.Cancelled {
		return shipping.CancelReply{}, shipping.AlreadyDispatched.Errorf("it is %s", sh.Status)
	}
	sh.OrderID, sh.Status = req.OrderID, shipping.Cancelled
	s.shipments[req.OrderID] = sh
	return shipping.CancelReply{Cancelled: ok}, nil
}

func (p parcels) ByOrder(_ context.Context, req shipping.OrderRequest) (shipping.Shipment, error) {
	s := p.shop
	if err := s.enter("shipping.by_order", req.OrderID); err != nil {
		return shipping.Shipment{}, err
	}
	defer s.mu.Unlock()
	sh, ok := s.shipments[req.OrderID]
	if !ok {
		return sh, shipping.ShipmentNotFound.Errorf("none for %s", req.OrderID)
	}
	return sh, nil
}

// Dispatched hands the order's parcel to a carrier and gives the shipment.
func (s *Shop) Dispatched(order string) shipping.Shipment {
	var out shipping.Shipment
	s.Shipment(order, func(sh *shipping.Shipment) {
		at := now()
		sh.ID, sh.OrderID, sh.Status, sh.DispatchedAt = "ship-"+order, order, shipping.Dispatched, &at
		sh.Carrier, sh.TrackingNumber = "DHL", "JD014600"
		out = *sh
	})
	return out
}

// Delivered hands the order's parcel to the customer, at some time before.
func (s *Shop) Delivered(order string, at time.Time) {
	s.Shipment(order, func(sh *shipping.Shipment) { sh.Status, sh.DeliveredAt = shipping.Delivered, &at })
}
