// Package carttest has what neighbours of the cart use in their tests: a Fake,
// and the conformance suite that every implementation passes.
package carttest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/cart"
)

// Fake is carts in memory, in USD. Safe for concurrent use. What is for sale is
// said by Sell.
type Fake struct {
	Now clock.Clock

	mu     sync.Mutex
	sold   map[string]cart.Line
	carts  map[cart.Owner]*content
	merged map[cart.MergeRequest]int
	orders map[string]bool
}

type content struct {
	lines   []cart.CartRef
	touched time.Time
}

var _ cart.Service = (*Fake)(nil)

// NewFake makes a shop without carts in which nothing is for sale.
func NewFake() *Fake {
	return &Fake{
		Now: clock.System, sold: map[string]cart.Line{}, carts: map[cart.Owner]*content{},
		merged: map[cart.MergeRequest]int{}, orders: map[string]bool{},
	}
}

// Sell puts a SKU up for sale, at a price in cents.
func (f *Fake) Sell(sku string, cents int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	price := money.Of(cents, "USD")
	f.sold[sku] = cart.Line{SKU: sku, Title: "Product " + sku, UnitPrice: &price}
}

// enter locks and finds the cart of o. A user's is made; a guest's must be there.
func (f *Fake) enter(ctx context.Context, o cart.Owner) (*content, error) {
	switch {
	case (o.UserID == "") == (o.GuestToken == ""):
		return nil, fault.Invalid.Errorf("name a user or a guest's token")
	case o.UserID != "" && !port.PrincipalFrom(ctx).MayActFor(o.UserID):
		return nil, fault.Forbidden.Errorf("this is somebody else's cart")
	}
	f.mu.Lock()
	c := f.carts[o]
	if c == nil && o.UserID == "" {
		f.mu.Unlock()
		return nil, cart.UnknownToken.Errorf("no cart has this token")
	}
	if c == nil {
		c = &content{}
		f.carts[o] = c
	}
	return c, nil
}

// show prices a cart; the caller holds the lock.
func (f *Fake) show(c *content) cart.Cart {
	out := cart.Cart{Lines: []cart.Line{}, Subtotal: money.Zero("USD"), UpdatedAt: c.touched}
	for _, ref := range c.lines {
		line := f.sold[ref.SKU]
		line.SKU, line.Quantity, line.Revision = ref.SKU, ref.Quantity, ref.Revision
		if line.UnitPrice != nil {
			unit := *line.UnitPrice
			total := money.Of(unit.Amount*int64(ref.Quantity), "USD")
			line.UnitPrice, line.Total = &unit, &total
			out.Subtotal.Amount += total.Amount
		}
		out.Lines = append(out.Lines, line)
	}
	return out
}

func (c *content) find(sku string) int {
	return slices.IndexFunc(c.lines, func(r cart.CartRef) bool { return r.SKU == sku })
}

// Open implements cart.Service.
func (f *Fake) Open(_ context.Context, req cart.OpenRequest) (cart.OpenReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.SKU != "" && f.sold[req.SKU].UnitPrice == nil {
		return cart.OpenReply{}, cart.UnknownSKU.Errorf("%s is not for sale", req.SKU)
	}
	token := id.V7()
	f.carts[cart.Owner{GuestToken: token}] = &content{touched: f.Now()}
	return cart.OpenReply{GuestToken: token}, nil
}

// Get implements cart.Service.
func (f *Fake) Get(ctx context.Context, req cart.GetRequest) (cart.Cart, error) {
	c, err := f.enter(ctx, req.Owner)
	if err != nil {
		return cart.Cart{}, err
	}
	defer f.mu.Unlock()
	shown := f.show(c)
	if req.Unpriced {
		shown.Subtotal = money.Zero(shown.Subtotal.Currency)
		for i := range shown.Lines {
			shown.Lines[i].UnitPrice, shown.Lines[i].Total = nil, nil
		}
	}
	return shown, nil
}

// SetItem implements cart.Service.
func (f *Fake) SetItem(ctx context.Context, req cart.SetItemRequest) (cart.Cart, error) {
	c, err := f.enter(ctx, req.Owner)
	if err != nil {
		return cart.Cart{}, err
	}
	defer f.mu.Unlock()
	i := c.find(req.SKU)
	switch {
	case req.Quantity < 1 || req.Quantity > cart.MaxQuantity:
		return cart.Cart{}, cart.InvalidQuantity.Errorf("1 to %d", cart.MaxQuantity)
	case f.sold[req.SKU].UnitPrice == nil:
		return cart.Cart{}, cart.UnknownSKU.Errorf("%s is not for sale", req.SKU)
	case i >= 0:
		c.lines[i] = cart.CartRef{SKU: req.SKU, Quantity: req.Quantity, Revision: c.lines[i].Revision + 1}
	case len(c.lines) >= cart.MaxLines:
		return cart.Cart{}, cart.TooManyLines.Errorf("at most %d", cart.MaxLines)
	default:
		c.lines = append(c.lines, cart.CartRef{SKU: req.SKU, Quantity: req.Quantity, Revision: f.Now().UnixMicro()})
	}
	c.touched = f.Now()
	return f.show(c), nil
}

// RemoveItem implements cart.Service.
func (f *Fake) RemoveItem(ctx context.Context, req cart.RemoveItemRequest) (cart.Cart, error) {
	c, err := f.enter(ctx, req.Owner)
	if err != nil {
		return cart.Cart{}, err
	}
	defer f.mu.Unlock()
	if i := c.find(req.SKU); i >= 0 {
		c.lines, c.touched = slices.Delete(c.lines, i, i+1), f.Now()
	}
	return f.show(c), nil
}

// Merge implements cart.Service.
func (f *Fake) Merge(ctx context.Context, req cart.MergeRequest) (cart.MergeReply, error) {
	c, err := f.enter(ctx, cart.Owner{UserID: req.UserID})
	if err != nil {
		return cart.MergeReply{}, err
	}
	defer f.mu.Unlock()
	from := cart.Owner{GuestToken: req.GuestToken}
	guest := f.carts[from]
	if guest == nil {
		return cart.MergeReply{Lines: f.merged[req]}, nil
	}
	for _, ref := range guest.lines {
		i := c.find(ref.SKU)
		switch {
		case i >= 0:
			c.lines[i].Quantity = min(c.lines[i].Quantity+ref.Quantity, cart.MaxQuantity)
		case len(c.lines) >= cart.MaxLines:
			continue
		default:
			c.lines = append(c.lines, ref)
		}
		f.merged[req]++
	}
	delete(f.carts, from)
	c.touched = f.Now()
	return cart.MergeReply{Lines: f.merged[req]}, nil
}

// CheckOut implements cart.Service.
func (f *Fake) CheckOut(ctx context.Context, req cart.CheckOutRequest) (cart.CheckOutReply, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return cart.CheckOutReply{}, fault.Forbidden.Errorf("a cart is emptied by its order")
	}
	if req.OrderID == "" {
		return cart.CheckOutReply{}, fault.Invalid.Errorf("order_id is missing")
	}
	c, err := f.enter(ctx, cart.Owner{UserID: req.UserID})
	if err != nil {
		return cart.CheckOutReply{}, err
	}
	defer f.mu.Unlock()
	if f.orders[req.OrderID] {
		return cart.CheckOutReply{}, nil
	}
	f.orders[req.OrderID] = true
	taken := map[int]bool{}
	for _, bought := range req.Items {
		i := c.find(bought.SKU)
		if i >= 0 && bought.Quantity > 0 && (bought.Revision == 0 || bought.Revision == c.lines[i].Revision) {
			c.lines[i].Quantity -= bought.Quantity
			taken[i] = true
		}
	}
	for i := range taken {
		c.lines[i].Revision++
	}
	c.lines = slices.DeleteFunc(c.lines, func(r cart.CartRef) bool { return r.Quantity < 1 })
	c.touched = f.Now()
	return cart.CheckOutReply{}, nil
}
