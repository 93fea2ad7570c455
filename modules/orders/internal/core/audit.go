package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

const (
	// underWay is how long after its last change an order, or what a neighbour
	// holds for it, may differ: an event is on its way.
	underWay  = time.Minute
	auditPage = 200
)

// Checks are what must hold of every order, here and at the neighbours.
func (s *Service) Checks() []audit.Check {
	return []audit.Check{
		{Rule: "orders.totals_match", Says: "The total of each order is what its lines and parts add up to, to the cent.", Run: s.each(s.auditTotals)},
		{Rule: "orders.payment_matches", Says: "What was authorised, captured and refunded for each order is what its status says.", Run: s.each(s.auditPayment)},
		{Rule: "orders.stock_matches", Says: "The stock of each order is sold if it is confirmed, and free if it came to nothing.", Run: s.each(s.auditStock)},
		{Rule: "orders.shipment_matches", Says: "Each order that is confirmed has its shipment, and no other is sent; what is sent is paid for soon.", Run: s.each(s.auditShipment)},
	}
}

// errUnderWay is that an order, or what a neighbour has of it, cannot be judged yet.
var errUnderWay = errors.New("it is under way")

// each runs a check over all orders but those that are under way. The check
// gives what is wrong, empty for nothing.
func (s *Service) each(check func(context.Context, *Order) (string, error)) func(context.Context, func(subject, detail string)) (int, error) {
	return func(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
		ctx = port.WithPrincipal(ctx, port.System("orders"))
		for before := ""; ; {
			page, err := s.store.List(ctx, "", before, auditPage)
			if err != nil {
				return examined, err
			}
			for _, o := range page {
				before = o.ID
				if o.Status == orders.Pending || s.recent(o.UpdatedAt) {
					audit.UnderWay(ctx, 1)
					continue
				}
				wrong, err := s.judge(ctx, o, check)
				if errors.Is(err, errUnderWay) {
					audit.UnderWay(ctx, 1)
					continue
				}
				examined++
				if err != nil {
					return examined, fmt.Errorf("check order %s: %w", o.ID, err)
				}
				if wrong != "" {
					report("order "+o.ID, wrong)
				}
			}
			if len(page) < auditPage {
				return examined, nil
			}
		}
	}
}

// judge looks again at an order that seems wrong: it may have moved since it was
// read, while its neighbours were asked.
func (s *Service) judge(ctx context.Context, o *Order, check func(context.Context, *Order) (string, error)) (string, error) {
	for {
		wrong, err := check(ctx, o)
		if err != nil || wrong == "" {
			return "", err
		}
		now, err := s.store.Get(ctx, o.ID)
		switch {
		case err != nil:
			return "", err
		case s.recent(now.UpdatedAt):
			return "", errUnderWay
		case now.UpdatedAt.Equal(o.UpdatedAt):
			return wrong, nil
		}
		o = now
	}
}

func (s *Service) recent(at time.Time) bool { return s.now().Sub(at) < underWay }

func (s *Service) auditTotals(_ context.Context, o *Order) (string, error) {
	if err := addsUp(o.Lines, o.Totals); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

func (s *Service) auditPayment(ctx context.Context, o *Order) (string, error) {
	if o.PaymentMethod == orders.ByWallet {
		return s.auditHold(ctx, o)
	}
	p, err := s.payments.ByOrder(ctx, payments.OrderRequest{OrderID: o.ID})
	if errors.Is(err, payments.PaymentNotFound) {
		if o.stands() && o.Totals.Total.IsPositive() {
			return fmt.Sprintf("it is %s but has no payment", o.Status), nil
		}
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if s.recent(p.UpdatedAt) {
		return "", errUnderWay
	}
	kept := p.Captured.Amount - p.Refunded.Amount
	seen := fmt.Sprintf("it is %s with a total of %v, but payment %s is %s: authorised %v, captured %v, refunded %v",
		o.Status, o.Totals.Total, p.ID, p.Status, p.Amount, p.Captured, p.Refunded)
	var ok bool
	switch o.Status {
	case orders.Confirmed:
		ok = p.Status == payments.Authorised && p.Amount == o.Totals.Total && p.ID == o.PaymentID
	case orders.Shipped, orders.Delivered: // staff may refund: the order was told of it
		ok = p.Captured == o.Totals.Total && kept == o.Totals.Total.Amount-o.Refunded.Amount && p.ID == o.PaymentID
	default: // it is given up behind the order, when the provider can be asked
		ok = kept == 0 && p.Status != payments.Authorised && p.Status != payments.Pending
		if !ok && min(s.now().Sub(o.UpdatedAt), s.now().Sub(p.UpdatedAt)) < payments.SettledWithin {
			return "", errUnderWay
		}
	}
	if ok {
		return "", nil
	}
	return seen, nil
}

// auditHold is auditPayment for an order that is paid from a wallet.
func (s *Service) auditHold(ctx context.Context, o *Order) (string, error) {
	h, err := s.wallet.ByOrder(ctx, wallet.OrderRequest{OrderID: o.ID})
	if errors.Is(err, wallet.HoldNotFound) {
		if o.stands() && o.Totals.Total.IsPositive() {
			return fmt.Sprintf("it is %s but its wallet holds nothing for it", o.Status), nil
		}
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if s.recent(h.UpdatedAt) {
		return "", errUnderWay
	}
	var ok bool
	switch o.Status {
	case orders.Confirmed:
		ok = h.Status == wallet.Held && h.Amount == o.Totals.Total
	case orders.Shipped, orders.Delivered:
		ok = h.Status == wallet.Captured && h.Amount == o.Totals.Total
	default:
		ok = h.Status == wallet.Released || h.Status == wallet.Refunded
	}
	if ok && h.UserID == o.UserID {
		return "", nil
	}
	return fmt.Sprintf("it is %s with a total of %v, but its hold of %v is %s", o.Status, o.Totals.Total, h.Amount, h.Status), nil
}

func (s *Service) auditStock(ctx context.Context, o *Order) (string, error) {
	r, err := s.inventory.Get(ctx, inventory.ReservationRequest{OrderID: o.ID})
	if errors.Is(err, inventory.ReservationUnknown) {
		if o.stands() {
			return fmt.Sprintf("it is %s but has no reservation", o.Status), nil
		}
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if committed := r.Status == inventory.Committed; committed != o.stands() || r.Status == inventory.Held {
		return fmt.Sprintf("it is %s, but its reservation is %s", o.Status, r.Status), nil
	}
	if o.stands() {
		return differentLines(o.Lines, r.Lines), nil
	}
	return "", nil
}

// differentLines compares quantities by SKU, in both directions.
func differentLines(ordered []orders.Line, reserved []inventory.Line) string {
	left := map[string]int64{}
	for _, l := range reserved {
		left[l.SKU] += l.Quantity
	}
	for _, l := range ordered {
		left[l.SKU] -= int64(l.Quantity)
	}
	for sku, n := range left {
		if n != 0 {
			return fmt.Sprintf("of %s, its reservation holds %d more than it has", sku, n)
		}
	}
	return ""
}

func (s *Service) auditShipment(ctx context.Context, o *Order) (string, error) {
	sh, err := s.shipping.ByOrder(ctx, shipping.OrderRequest{OrderID: o.ID})
	if errors.Is(err, shipping.ShipmentNotFound) {
		if o.stands() {
			return fmt.Sprintf("it is %s but has no shipment", o.Status), nil
		}
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var ok bool
	switch o.Status {
	case orders.Confirmed: // it stays so until the payment is captured
		if sh.DispatchedAt != nil && s.now().Sub(*sh.DispatchedAt) >= payments.SettledWithin {
			return fmt.Sprintf("it is %s still, though shipment %s is on its way since %s: its payment was never captured",
				o.Status, sh.ID, sh.DispatchedAt.UTC().Format(time.RFC3339)), nil
		}
		ok = sh.Status != shipping.Cancelled && sh.ID == o.ShipmentID
	case orders.Shipped:
		ok = (sh.Status == shipping.Dispatched || sh.Status == shipping.Delivered && sh.DeliveredAt != nil && s.recent(*sh.DeliveredAt)) && sh.ID == o.ShipmentID
	case orders.Delivered:
		ok = sh.Status == shipping.Delivered && sh.ID == o.ShipmentID
	default:
		ok = sh.Status == shipping.Cancelled
	}
	if ok {
		return "", nil
	}
	return fmt.Sprintf("it is %s with shipment %q, but shipment %s is %s", o.Status, o.ShipmentID, sh.ID, sh.Status), nil
}

// stands tells whether the customer gets, or got, what was ordered.
func (o *Order) stands() bool {
	return o.Status == orders.Confirmed || o.Status == orders.Shipped || o.Status == orders.Delivered
}
