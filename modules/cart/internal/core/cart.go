package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/pricing"
)

const maxSKU = 200 // bytes

// Open implements cart.Service.
func (s *Service) Open(ctx context.Context, req cart.OpenRequest) (cart.OpenReply, error) {
	if req.SKU != "" {
		if err := s.forSale(ctx, req.SKU); err != nil {
			return cart.OpenReply{}, err
		}
	}
	token := s.NewToken()
	err := s.Store.Atomic(ctx, func(ctx context.Context) error {
		_, err := s.Store.Open(ctx, Owner{TokenHash: hash(token)})
		return err
	})
	return cart.OpenReply{GuestToken: token}, err
}

// Get implements cart.Service.
func (s *Service) Get(ctx context.Context, req cart.GetRequest) (cart.Cart, error) {
	owner, err := ownerOf(ctx, req.Owner)
	if err != nil {
		return cart.Cart{}, err
	}
	c, ok, err := s.Store.Cart(ctx, owner)
	if err != nil {
		return cart.Cart{}, fmt.Errorf("read cart: %w", err)
	}
	if !ok && owner.UserID == "" {
		return cart.Cart{}, unknownToken()
	}
	return s.shown(ctx, c, !req.Unpriced)
}

// SetItem implements cart.Service.
func (s *Service) SetItem(ctx context.Context, req cart.SetItemRequest) (cart.Cart, error) {
	owner, err := ownerOf(ctx, req.Owner)
	if err != nil {
		return cart.Cart{}, err
	}
	if req.Quantity < 1 || req.Quantity > cart.MaxQuantity {
		return cart.Cart{}, cart.InvalidQuantity.Errorf("%d of one SKU; 1 to %d fit in a cart", req.Quantity, cart.MaxQuantity).
			WithField("/quantity", fmt.Sprintf("1 to %d", cart.MaxQuantity))
	}
	if err := s.forSale(ctx, req.SKU); err != nil {
		return cart.Cart{}, err
	}
	return s.change(ctx, owner, func(ctx context.Context, c *Cart) error {
		for i := range c.Lines {
			if c.Lines[i].SKU == req.SKU {
				// Also where the quantity is the same: an order that is about to take
				// this line out must see that it is wanted again.
				c.Lines[i].Quantity, c.UpdatedAt = req.Quantity, s.Now()
				c.Lines[i].Revision = max(c.UpdatedAt.UnixMicro(), c.Lines[i].Revision+1)
				return s.Store.PutLines(ctx, c.ID, c.Lines[i:i+1], c.UpdatedAt)
			}
		}
		if len(c.Lines) >= cart.MaxLines {
			return cart.TooManyLines.Errorf("a cart has at most %d different SKUs; take something out first", cart.MaxLines)
		}
		line := Line{SKU: req.SKU, Quantity: req.Quantity, AddedAt: s.Now()}
		line.Revision = line.AddedAt.UnixMicro()
		c.Lines, c.UpdatedAt = append(c.Lines, line), line.AddedAt
		return s.Store.PutLines(ctx, c.ID, []Line{line}, c.UpdatedAt)
	})
}

// RemoveItem implements cart.Service.
func (s *Service) RemoveItem(ctx context.Context, req cart.RemoveItemRequest) (cart.Cart, error) {
	owner, err := ownerOf(ctx, req.Owner)
	if err != nil {
		return cart.Cart{}, err
	}
	return s.change(ctx, owner, func(ctx context.Context, c *Cart) error {
		for i := range c.Lines {
			if c.Lines[i].SKU == req.SKU {
				c.Lines, c.UpdatedAt = append(c.Lines[:i:i], c.Lines[i+1:]...), s.Now()
				return s.Store.RemoveLines(ctx, c.ID, []string{req.SKU}, c.UpdatedAt)
			}
		}
		return nil
	})
}

// change applies a change under the cart's lock. A user's cart is made when it
// is first needed; a guest's must have been opened.
func (s *Service) change(ctx context.Context, o Owner, apply func(ctx context.Context, c *Cart) error) (cart.Cart, error) {
	var c Cart
	err := s.Store.Atomic(ctx, func(ctx context.Context) (err error) {
		if o.UserID != "" {
			c, err = s.Store.Open(ctx, o)
		} else {
			var ok bool
			if c, ok, err = s.Store.Lock(ctx, o); err == nil && !ok {
				err = unknownToken()
			}
		}
		if err != nil {
			return err
		}
		return apply(ctx, &c)
	})
	if err != nil {
		return cart.Cart{}, err
	}
	return s.priced(ctx, c)
}

// forSale refuses what customers cannot see.
func (s *Service) forSale(ctx context.Context, sku string) error {
	if sku == "" || len(sku) > maxSKU {
		return cart.UnknownSKU.Errorf("a SKU has 1 to %d bytes", maxSKU)
	}
	reply, err := s.Catalog.Variants(ctx, catalog.VariantsRequest{SKUs: []string{sku}})
	if err != nil {
		return fmt.Errorf("look up %s: %w", sku, err)
	}
	if len(reply.Items) == 0 {
		return cart.UnknownSKU.Errorf("%s is not for sale", sku)
	}
	return nil
}

// priced shows a cart with what its lines are called and cost now.
func (s *Service) priced(ctx context.Context, c Cart) (cart.Cart, error) {
	return s.shown(ctx, c, true)
}

func (s *Service) shown(ctx context.Context, c Cart, withPrices bool) (cart.Cart, error) {
	out := cart.Cart{Lines: []cart.Line{}, Subtotal: money.Zero(s.Currency), UpdatedAt: c.UpdatedAt}
	if len(c.Lines) == 0 {
		return out, nil
	}
	skus := make([]string, len(c.Lines))
	for i, l := range c.Lines {
		skus[i] = l.SKU
	}
	titles, err := s.titles(ctx, skus)
	if err != nil {
		return cart.Cart{}, err
	}
	var prices map[string]money.Money
	if withPrices {
		if prices, err = s.prices(ctx, skus); err != nil {
			return cart.Cart{}, err
		}
	}
	for _, l := range c.Lines {
		line := cart.Line{SKU: l.SKU, Quantity: l.Quantity, Revision: l.Revision, Title: titles[l.SKU]}
		price, priced := prices[l.SKU]
		if priced && line.Title != "" {
			total, err := price.MulInt(int64(l.Quantity))
			if err != nil {
				return cart.Cart{}, fmt.Errorf("price %s: %w", l.SKU, err)
			}
			if out.Subtotal, err = out.Subtotal.Add(total); err != nil {
				return cart.Cart{}, fmt.Errorf("add up the cart: %w", err)
			}
			line.UnitPrice, line.Total = &price, &total
		}
		out.Lines = append(out.Lines, line)
	}
	return out, nil
}

// titles names the published ones among these SKUs.
func (s *Service) titles(ctx context.Context, skus []string) (map[string]string, error) {
	reply, err := s.Catalog.Variants(ctx, catalog.VariantsRequest{SKUs: skus})
	if err != nil {
		return nil, fmt.Errorf("look up variants: %w", err)
	}
	titles := make(map[string]string, len(reply.Items))
	for _, v := range reply.Items {
		titles[v.SKU] = v.ProductTitle
		if v.VariantTitle != "" && v.VariantTitle != "Default Title" {
			titles[v.SKU] += ", " + v.VariantTitle
		}
	}
	return titles, nil
}

func (s *Service) prices(ctx context.Context, skus []string) (map[string]money.Money, error) {
	reply, err := s.Pricing.Prices(ctx, pricing.PricesRequest{SKUs: skus})
	if err != nil {
		return nil, fmt.Errorf("look up prices: %w", err)
	}
	prices := make(map[string]money.Money, len(reply.Items))
	for _, p := range reply.Items {
		prices[p.SKU] = p.Price
	}
	return prices, nil
}

func unknownToken() error {
	return cart.UnknownToken.Errorf("no cart has this token; ask for one with GET /cart without a token")
}
