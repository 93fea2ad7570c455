package orderstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/orders"
)

// Fake is orders in memory: carts are filled by Fill, every SKU costs Price, and
// checkouts are decided at once. The function fields, where set, answer instead.
// Safe for concurrent use.
type Fake struct {
	PlaceFunc  func(ctx context.Context, req orders.PlaceRequest) (orders.Order, error)
	GetFunc    func(ctx context.Context, req orders.GetRequest) (orders.Order, error)
	ListFunc   func(ctx context.Context, req orders.ListRequest) (orders.OrderList, error)
	CancelFunc func(ctx context.Context, req orders.CancelRequest) (orders.Order, error)

	mu      sync.Mutex
	carts   map[string][]cart.CartRef
	credit  map[string]int64
	orders  []orders.Order // oldest first
	answers map[port.IdempotencyKey]orders.Order
}

var _ orders.Service = (*Fake)(nil)

// NewFake makes a shop without orders.
func NewFake() *Fake {
	return &Fake{carts: map[string][]cart.CartRef{}, credit: map[string]int64{}, answers: map[port.IdempotencyKey]orders.Order{}}
}

// Fill puts items into a user's cart.
func (f *Fake) Fill(user string, items ...cart.CartRef) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.carts[user] = append(f.carts[user], items...)
}

// Fund gives a user store credit.
func (f *Fake) Fund(user string, cents int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.credit[user] += cents
}

// Become gives an order another status, as events would.
func (f *Fake) Become(orderID, status string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.find(orderID); o != nil {
		turn(o, status, "")
	}
}

// Place implements orders.Service.
func (f *Fake) Place(ctx context.Context, req orders.PlaceRequest) (orders.Order, error) {
	if f.PlaceFunc != nil {
		return f.PlaceFunc(ctx, req)
	}
	a := req.ShippingAddress
	switch {
	case req.UserID == "" || !port.PrincipalFrom(ctx).MayActFor(req.UserID):
		return orders.Order{}, fault.Forbidden.Errorf("not for oneself")
	case strings.TrimSpace(a.Name) == "", len(a.Country) != 2, a.Country != strings.ToUpper(a.Country),
		req.ShippingMethod != "standard" && req.ShippingMethod != "express",
		req.PaymentMethod != orders.ByCard && req.PaymentMethod != orders.ByWallet,
		(req.PaymentToken == "") != (req.PaymentMethod == orders.ByWallet), req.WaitMillis < 0, req.WaitMillis > wait:
		return orders.Order{}, orders.InvalidOrder.Errorf("invalid")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := port.IdempotencyKeyFrom(ctx)
	for known, answer := range f.answers {
		switch {
		case key.IsZero() || known.Scope != key.Scope || known.Key != key.Key:
		case known.Fingerprint != key.Fingerprint:
			return orders.Order{}, idempotency.Reused.Errorf("another body")
		default:
			port.MarkReplayed(ctx)
			return answer, nil
		}
	}
	order := f.checkout(req)
	if !key.IsZero() {
		f.answers[key] = order
	}
	return order, nil
}

func bill(o *orders.Order) {
	for i := range o.Lines {
		l := &o.Lines[i]
		l.UnitPrice, l.Total = usd(Price), usd(Price*int64(l.Quantity))
		o.Totals.Subtotal.Amount += l.Total.Amount
	}
	o.Totals.Shipping = usd(500)
	o.Totals.Total = usd(o.Totals.Subtotal.Amount + 500)
}

// checkout decides an order and gives what Place answers: without a wait, the
// order as it was before.
func (f *Fake) checkout(req orders.PlaceRequest) orders.Order {
	o := orders.Order{
		ID: id.V7(), UserID: req.UserID, Status: orders.Pending, ShippingAddress: req.ShippingAddress,
		ShippingMethod: req.ShippingMethod, PromoCode: req.PromoCode, PaymentMethod: req.PaymentMethod, CreatedAt: now(), Lines: []orders.Line{},
		Totals:  orders.Totals{Subtotal: usd(0), Discount: usd(0), Shipping: usd(0), Tax: usd(0), Total: usd(0)},
		History: []orders.Change{{At: now(), Status: orders.Pending, Detail: "placed"}},
	}
	o.Number = fmt.Sprintf("%05d-%05d", len(f.orders)/100_000, len(f.orders)%100_000)
	for _, i := range f.carts[req.UserID] {
		o.Lines = append(o.Lines, orders.Line{SKU: i.SKU, Title: "A " + i.SKU, Quantity: i.Quantity, UnitPrice: usd(0), Total: usd(0)})
	}
	pending := o
	pending.Lines, pending.History = slices.Clone(o.Lines), slices.Clone(o.History)
	has := func(sku string) bool {
		return slices.ContainsFunc(o.Lines, func(l orders.Line) bool { return l.SKU == sku })
	}
	switch {
	case len(o.Lines) == 0:
		turn(&o, orders.Rejected, orders.CartEmpty)
		pending = o
	case has(Unpriced):
		turn(&o, orders.Rejected, orders.PriceUnknown)
	case has(SoldOut):
		bill(&o)
		turn(&o, orders.Rejected, orders.StockInsufficient)
	case req.PaymentToken == "tok_declined" || req.PaymentToken == "tok_insufficient_funds":
		bill(&o)
		turn(&o, orders.Rejected, orders.PaymentDeclined)
	case req.PaymentToken == "tok_error":
		bill(&o)
		turn(&o, orders.Rejected, orders.PaymentUnavailable)
	case req.PaymentMethod == orders.ByWallet:
		bill(&o)
		if f.credit[req.UserID] < o.Totals.Total.Amount {
			turn(&o, orders.Rejected, orders.PaymentDeclined)
			break
		}
		f.credit[req.UserID] -= o.Totals.Total.Amount
		turn(&o, orders.Confirmed, "")
		delete(f.carts, req.UserID)
	default:
		bill(&o)
		o.PaymentID = "pay-" + o.ID
		turn(&o, orders.Confirmed, "")
		delete(f.carts, req.UserID)
	}
	f.orders = append(f.orders, o)
	if req.WaitMillis == 0 {
		return pending
	}
	return clone(o)
}

func turn(o *orders.Order, status, reason string) {
	o.Status, o.Reason = status, reason
	o.History = append(o.History, orders.Change{At: now(), Status: status, Detail: reason})
}

func clone(o orders.Order) orders.Order {
	o.Lines, o.History = slices.Clone(o.Lines), slices.Clone(o.History)
	return o
}

// Get implements orders.Service.
func (f *Fake) Get(ctx context.Context, req orders.GetRequest) (orders.Order, error) {
	if f.GetFunc != nil {
		return f.GetFunc(ctx, req)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.find(req.OrderID)
	if o == nil || !port.PrincipalFrom(ctx).MayActFor(o.UserID) {
		return orders.Order{}, orders.OrderNotFound.Errorf("no order %s", req.OrderID)
	}
	return clone(*o), nil
}

func (f *Fake) find(orderID string) *orders.Order {
	for i := range f.orders {
		if f.orders[i].ID == orderID {
			return &f.orders[i]
		}
	}
	return nil
}

// List implements orders.Service.
func (f *Fake) List(ctx context.Context, req orders.ListRequest) (orders.OrderList, error) {
	if f.ListFunc != nil {
		return f.ListFunc(ctx, req)
	}
	who := port.PrincipalFrom(ctx)
	switch {
	case req.UserID == "" && !who.Has(port.RoleStaff), req.UserID != "" && !who.MayActFor(req.UserID):
		return orders.OrderList{}, fault.Forbidden.Errorf("somebody else's")
	case req.Limit < 1 || req.Limit > 100:
		return orders.OrderList{}, orders.InvalidOrder.Errorf("1 to 100")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	page := orders.OrderList{Items: []orders.Order{}}
	for _, o := range slices.Backward(f.orders) {
		switch {
		case req.UserID != "" && o.UserID != req.UserID, req.After != "" && o.ID >= req.After:
		case len(page.Items) == req.Limit:
			page.Next = page.Items[req.Limit-1].ID
			return page, nil
		default:
			page.Items = append(page.Items, clone(o))
		}
	}
	return page, nil
}

// Cancel implements orders.Service.
func (f *Fake) Cancel(ctx context.Context, req orders.CancelRequest) (orders.Order, error) {
	if f.CancelFunc != nil {
		return f.CancelFunc(ctx, req)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.find(req.OrderID)
	switch {
	case o == nil || !port.PrincipalFrom(ctx).MayActFor(o.UserID):
		return orders.Order{}, orders.OrderNotFound.Errorf("no order %s", req.OrderID)
	case o.Status == orders.Confirmed:
		turn(o, orders.Cancelled, orders.CancelRequested)
	case o.Status != orders.Cancelled:
		return orders.Order{}, orders.NotCancellable.Errorf("it is %s", o.Status)
	}
	return clone(*o), nil
}
