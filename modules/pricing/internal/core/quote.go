package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
)

const (
	maxLines    = 100
	maxQuantity = 99
)

// OrderQuote is the quote of one order. A released one has given its use of the
// promotion back.
type OrderQuote struct {
	OrderID   string
	Released  bool
	PromoCode string
	Quote     pricing.Quote
}

// Quote implements pricing.Service. What it asks others for, it asks before its
// own transaction.
func (s *Service) Quote(ctx context.Context, req pricing.QuoteRequest) (pricing.Quote, error) {
	if req.Key == "" {
		return s.price(ctx, req)
	}
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) { // a key takes a use of the promotion
		return pricing.Quote{}, fault.Forbidden.Errorf("only the shop itself quotes for an order")
	}
	q, err := s.price(ctx, req)
	if err != nil {
		// What was quoted before stays the answer: the quote itself may have taken the
		// last use of its promotion, or something is not for sale any more.
		if first, ok, err := s.first(ctx, req.Key); ok || err != nil {
			return first, err
		}
		return pricing.Quote{}, err
	}
	return s.keep(ctx, req.Key, q)
}

// keep makes q the quote of an order, and takes its use of the promotion. Where the
// order has a quote already that one stays, and is given.
func (s *Service) keep(ctx context.Context, orderID string, made pricing.Quote) (q pricing.Quote, err error) {
	kept := OrderQuote{OrderID: orderID, PromoCode: made.PromoCode, Quote: made}
	if made.PromoCode == "" {
		isNew, err := s.Store.AddOnlyQuote(ctx, kept)
		if err != nil {
			return pricing.Quote{}, fmt.Errorf("keep quote: %w", err)
		}
		if !isNew {
			q, _, err := s.first(ctx, orderID)
			return q, err
		}
		return made, nil
	}
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		q = made
		isNew, err := s.Store.AddQuote(ctx, kept)
		if err != nil {
			return fmt.Errorf("keep quote: %w", err)
		}
		if !isNew {
			q, _, err = s.first(ctx, orderID)
			return err
		}
		taken, err := s.Store.UsePromotion(ctx, q.PromoCode)
		if err == nil && !taken {
			err = usedUp(q.PromoCode)
		}
		return err
	})
	return q, err
}

// first gives the quote that an order has, and tells whether it has one.
func (s *Service) first(ctx context.Context, orderID string) (pricing.Quote, bool, error) {
	found, ok, err := s.Store.Quote(ctx, orderID)
	switch {
	case err != nil:
		return pricing.Quote{}, false, fmt.Errorf("read quote: %w", err)
	case !ok:
		return pricing.Quote{}, false, nil
	case found.Released:
		return pricing.Quote{}, true, pricing.QuoteExpired.Errorf("the quote of order %s was released", orderID)
	case !s.Now().Before(found.Quote.ExpiresAt):
		return pricing.Quote{}, true, pricing.QuoteExpired.Errorf("the quote of order %s ended at %s", orderID, found.Quote.ExpiresAt.Format(time.RFC3339))
	}
	return found.Quote, true, nil
}

// keepQuotes is how long a quote is kept: its order has the numbers, and is decided
// within minutes.
const keepQuotes = 90 * 24 * time.Hour

// Purge forgets quotes that nobody needs any more. Any number of instances may call it.
func (s *Service) Purge(ctx context.Context) error {
	if _, err := s.Store.PurgeQuotes(ctx, s.Now().Add(-keepQuotes)); err != nil {
		return fmt.Errorf("forget old quotes: %w", err)
	}
	return nil
}

// ReleaseQuote implements pricing.Service.
func (s *Service) ReleaseQuote(ctx context.Context, req pricing.ReleaseQuoteRequest) (pricing.ReleaseQuoteReply, error) {
	if err := staffOnly(ctx); err != nil {
		return pricing.ReleaseQuoteReply{}, err
	}
	if req.Key == "" {
		return pricing.ReleaseQuoteReply{}, pricing.InvalidQuote.Errorf("key is missing; it is the order's id")
	}
	return pricing.ReleaseQuoteReply{}, s.Store.Atomic(ctx, func(ctx context.Context) error {
		// A quote that is still on its way must find the order given up.
		never := OrderQuote{OrderID: req.Key, Released: true}
		if isNew, err := s.Store.AddQuote(ctx, never); err != nil || isNew {
			return err
		}
		released, err := s.Store.ReleaseQuote(ctx, req.Key)
		if err != nil || !released {
			return err
		}
		q, _, err := s.Store.Quote(ctx, req.Key)
		if err != nil || q.PromoCode == "" {
			return err
		}
		return s.Store.FreePromotion(ctx, q.PromoCode)
	})
}

// price works out every number of a quote.
func (s *Service) price(ctx context.Context, req pricing.QuoteRequest) (pricing.Quote, error) {
	items, err := checkItems(req)
	if err != nil {
		return pricing.Quote{}, err
	}
	q := pricing.Quote{ID: s.NewID(), ExpiresAt: s.Now().Add(pricing.QuoteTTL)}
	if err := s.priceLines(ctx, &q, items); err != nil {
		return pricing.Quote{}, err
	}
	if req.PromoCode != "" {
		p, err := s.promotion(ctx, req.PromoCode, q.Subtotal)
		if err != nil {
			return pricing.Quote{}, err
		}
		q.PromoCode = p.Code
		if err := discount(&q, p); err != nil {
			return pricing.Quote{}, tooMuch(err)
		}
	}
	if q.Shipping, err = s.shippingCost(ctx, req, q.Weight); err != nil {
		return pricing.Quote{}, err
	}
	if err := addUp(&q, taxRate(strings.ToUpper(req.Country))); err != nil {
		return pricing.Quote{}, tooMuch(err)
	}
	return q, nil
}

// priceLines looks up what each SKU is and costs.
func (s *Service) priceLines(ctx context.Context, q *pricing.Quote, items []pricing.QuoteItem) error {
	skus := make([]string, len(items))
	for i, item := range items {
		skus[i] = item.SKU
	}
	reply, err := s.Catalog.Variants(ctx, catalog.VariantsRequest{SKUs: skus})
	if err != nil {
		return fmt.Errorf("look up variants: %w", err)
	}
	sold := make(map[string]catalog.SoldVariant, len(reply.Items))
	for _, v := range reply.Items {
		sold[v.SKU] = v
	}
	prices, err := s.known(ctx, skus)
	if err != nil {
		return err
	}
	unknown := pricing.UnknownPrice.Errorf("not everything here is for sale")
	zero := money.Zero(s.Currency)
	q.Subtotal, q.Discount, q.Tax = zero, zero, zero
	for i, item := range items {
		v, published := sold[item.SKU]
		p, priced := prices[item.SKU]
		if !published || !priced {
			unknown.WithField(fmt.Sprintf("/items/%d/sku", i), item.SKU+" is not for sale")
			continue
		}
		line := pricing.QuoteLine{SKU: item.SKU, Title: title(v), Quantity: item.Quantity, Unit: p.Price, Discount: zero, Tax: zero}
		if line.Total, err = p.Price.MulInt(int64(item.Quantity)); err != nil {
			return tooMuch(err)
		}
		if q.Subtotal, err = q.Subtotal.Add(line.Total); err != nil {
			return tooMuch(err)
		}
		q.Weight += v.WeightGrams * int64(item.Quantity)
		q.Lines = append(q.Lines, line)
	}
	if len(unknown.Fields) > 0 {
		return unknown
	}
	return nil
}

// shippingCost asks shipping what the wanted method costs.
func (s *Service) shippingCost(ctx context.Context, req pricing.QuoteRequest, grams int64) (money.Money, error) {
	rates, err := s.Shipping.Rates(ctx, shipping.RatesRequest{Country: strings.ToUpper(req.Country), WeightGrams: grams})
	if err != nil {
		return money.Money{}, fmt.Errorf("ask for shipping rates: %w", err)
	}
	for _, r := range rates.Items {
		if r.Method == req.ShippingMethod {
			return r.Price, nil
		}
	}
	return money.Money{}, pricing.ShippingUnavailable.Errorf("%d g cannot be sent to %q by method %q", grams, req.Country, req.ShippingMethod)
}

func title(v catalog.SoldVariant) string {
	if v.VariantTitle == "" || v.VariantTitle == "Default Title" {
		return v.ProductTitle
	}
	return v.ProductTitle + ", " + v.VariantTitle
}

// checkItems checks a request and joins lines of one SKU, in the order in which
// they first came.
func checkItems(req pricing.QuoteRequest) ([]pricing.QuoteItem, error) {
	bad := pricing.InvalidQuote.Errorf("this cannot be quoted")
	if len(req.Items) == 0 || len(req.Items) > maxLines {
		bad.WithField("/items", fmt.Sprintf("1 to %d lines", maxLines))
		return nil, bad
	}
	at := map[string]int{}
	var items []pricing.QuoteItem
	for i, item := range req.Items {
		if item.SKU == "" || item.Quantity < 1 || item.Quantity > maxQuantity {
			bad.WithField(fmt.Sprintf("/items/%d", i), fmt.Sprintf("a SKU and 1 to %d of it", maxQuantity))
			continue
		}
		if first, seen := at[item.SKU]; seen {
			if items[first].Quantity += item.Quantity; items[first].Quantity > maxQuantity {
				bad.WithField(fmt.Sprintf("/items/%d", i), fmt.Sprintf("with the line before it, more than %d of %s", maxQuantity, item.SKU))
			}
			continue
		}
		at[item.SKU] = len(items)
		items = append(items, item)
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return items, nil
}

// tooMuch makes what overflows the caller's mistake.
func tooMuch(err error) error {
	if errors.Is(err, money.ErrOverflow) {
		return pricing.InvalidQuote.Wrap(err, "the order is worth more than can be counted")
	}
	return err
}
