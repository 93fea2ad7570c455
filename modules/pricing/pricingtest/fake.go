// Package pricingtest has what neighbours of pricing use in their tests: a Fake,
// and the conformance suite that every implementation passes.
package pricingtest

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// Fake is pricing in memory. Safe for concurrent use. It taxes Germany with 19 %
// and nobody else, and checks only what its suite checks.
type Fake struct {
	Now      clock.Clock
	Currency string
	Catalog  catalog.Service
	Shipping shipping.Service

	mu         sync.Mutex
	prices     map[string]pricing.Price
	promotions map[string]*pricing.Promotion
	quotes     map[string]keyed
}

type keyed struct {
	quote    pricing.Quote
	released bool
}

var _ pricing.Service = (*Fake)(nil)

// NewFake makes pricing without prices, in USD, between two neighbours.
func NewFake(products catalog.Service, parcels shipping.Service) *Fake {
	return &Fake{
		Now: clock.System, Currency: "USD", Catalog: products, Shipping: parcels,
		prices: map[string]pricing.Price{}, promotions: map[string]*pricing.Promotion{}, quotes: map[string]keyed{},
	}
}

func staffOnly(ctx context.Context) error {
	if !port.PrincipalFrom(ctx).Has(port.RoleStaff) {
		return fault.Forbidden.Errorf("only staff may do this")
	}
	return nil
}

// SetPrices implements pricing.Service.
func (f *Fake) SetPrices(ctx context.Context, req pricing.SetPricesRequest) (pricing.SetPricesReply, error) {
	var reply pricing.SetPricesReply
	if err := staffOnly(ctx); err != nil {
		return reply, err
	}
	seen := map[string]bool{}
	for _, p := range req.Prices {
		if p.SKU == "" || seen[p.SKU] || p.Price.Amount < 0 || p.Price.Currency != f.Currency || p.CompareAt != nil && p.CompareAt.Currency != f.Currency {
			return reply, pricing.InvalidPrice.Errorf("the price of %q is not valid", p.SKU)
		}
		seen[p.SKU] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range req.Prices {
		old, known := f.prices[p.SKU]
		same := known && old.Price == p.Price && (old.CompareAt == nil) == (p.CompareAt == nil)
		if same && p.CompareAt != nil {
			same = *old.CompareAt == *p.CompareAt
		}
		if same {
			continue
		}
		if p.CompareAt != nil {
			was := *p.CompareAt
			p.CompareAt = &was
		}
		f.prices[p.SKU] = p
		reply.Changed++
	}
	return reply, nil
}

// Prices implements pricing.Service.
func (f *Fake) Prices(_ context.Context, req pricing.PricesRequest) (pricing.PricesReply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reply := pricing.PricesReply{Items: []pricing.Price{}}
	for _, sku := range req.SKUs {
		if p, ok := f.prices[sku]; ok {
			reply.Items = append(reply.Items, p)
		}
	}
	return reply, nil
}

// CreatePromotion implements pricing.Service.
func (f *Fake) CreatePromotion(ctx context.Context, req pricing.CreatePromotionRequest) (pricing.Promotion, error) {
	p := req.Promotion
	if err := staffOnly(ctx); err != nil {
		return p, err
	}
	p.Code, p.Used = strings.ToUpper(p.Code), 0
	if p.MinSubtotal == (money.Money{}) {
		p.MinSubtotal = money.Zero(f.Currency)
	}
	percent := p.Kind == pricing.Percent && p.Value <= 100
	if p.Code == "" || strings.ContainsAny(p.Code, " \x00") || !percent && p.Kind != pricing.Fixed || p.Value < 1 ||
		p.StartsAt.IsZero() || !p.StartsAt.Before(p.EndsAt) || p.UsageLimit < 0 || p.MinSubtotal.Currency != f.Currency || p.MinSubtotal.Amount < 0 {
		return p, pricing.InvalidPromotion.Errorf("the promotion is not valid")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.promotions[p.Code] != nil {
		return p, pricing.PromotionExists.Errorf("there is a promotion %s already", p.Code)
	}
	kept := p
	f.promotions[p.Code] = &kept
	return p, nil
}

// Quote implements pricing.Service.
func (f *Fake) Quote(ctx context.Context, req pricing.QuoteRequest) (pricing.Quote, error) {
	if req.Key != "" {
		if err := staffOnly(ctx); err != nil {
			return pricing.Quote{}, err
		}
	}
	q, err := f.start(ctx, req)
	f.mu.Lock()
	defer f.mu.Unlock()
	if first, ok := f.quotes[req.Key]; ok && req.Key != "" {
		if first.released || !f.Now().Before(first.quote.ExpiresAt) {
			return pricing.Quote{}, pricing.QuoteExpired.Errorf("the quote of order %s is over", req.Key)
		}
		return first.quote, nil
	}
	var promo *pricing.Promotion
	if err == nil {
		promo, err = f.lines(&q, req)
	}
	if err != nil {
		return pricing.Quote{}, err
	}
	if req.Key != "" {
		f.quotes[req.Key] = keyed{quote: q}
		if promo != nil {
			promo.Used++
		}
	}
	return q, nil
}

// start checks the request and asks the neighbours.
func (f *Fake) start(ctx context.Context, req pricing.QuoteRequest) (pricing.Quote, error) {
	zero := money.Zero(f.Currency)
	q := pricing.Quote{ID: id.V7(), Subtotal: zero, Discount: zero, Shipping: zero, Tax: zero, ExpiresAt: f.Now().Add(pricing.QuoteTTL)}
	at := map[string]int{}
	if len(req.Items) > 100 {
		return q, pricing.InvalidQuote.Errorf("too many lines")
	}
	for _, item := range req.Items {
		i, known := at[item.SKU]
		if !known {
			i = len(q.Lines)
			at[item.SKU] = i
			q.Lines = append(q.Lines, pricing.QuoteLine{SKU: item.SKU, Discount: zero})
		}
		q.Lines[i].Quantity += item.Quantity
		if item.SKU == "" || item.Quantity < 1 || q.Lines[i].Quantity > 99 {
			return q, pricing.InvalidQuote.Errorf("1 to 99 of a SKU")
		}
	}
	if len(q.Lines) == 0 {
		return q, pricing.InvalidQuote.Errorf("nothing to quote")
	}
	for i := range q.Lines {
		reply, err := f.Catalog.Variants(ctx, catalog.VariantsRequest{SKUs: []string{q.Lines[i].SKU}})
		if err != nil {
			return q, err
		}
		if len(reply.Items) == 0 {
			return q, pricing.UnknownPrice.Errorf("%s is not for sale", q.Lines[i].SKU)
		}
		q.Lines[i].Title = reply.Items[0].ProductTitle
		q.Weight += reply.Items[0].WeightGrams * int64(q.Lines[i].Quantity)
	}
	rates, err := f.Shipping.Rates(ctx, shipping.RatesRequest{Country: req.Country, WeightGrams: q.Weight})
	if err != nil {
		return q, err
	}
	for _, r := range rates.Items {
		if r.Method == req.ShippingMethod {
			q.Shipping = r.Price
			return q, nil
		}
	}
	return q, pricing.ShippingUnavailable.Errorf("not to %s", req.Country)
}

// lines prices, discounts and taxes; the caller holds the lock.
func (f *Fake) lines(q *pricing.Quote, req pricing.QuoteRequest) (*pricing.Promotion, error) {
	weights := make([]int64, len(q.Lines))
	for i := range q.Lines {
		l := &q.Lines[i]
		p, ok := f.prices[l.SKU]
		if !ok {
			return nil, pricing.UnknownPrice.Errorf("%s has no price", l.SKU)
		}
		l.Unit, l.Total = p.Price, money.Of(p.Price.Amount*int64(l.Quantity), f.Currency)
		weights[i] = l.Total.Amount
		q.Subtotal.Amount += l.Total.Amount
	}
	promo, err := f.promotion(req.PromoCode, q.Subtotal)
	if err != nil {
		return nil, err
	}
	if promo != nil {
		q.PromoCode = promo.Code
		off, err := money.Of(min(promo.Value, q.Subtotal.Amount), f.Currency).Allocate(weights...)
		if err != nil {
			return nil, err
		}
		for i := range q.Lines {
			if q.Lines[i].Discount = off[i]; promo.Kind == pricing.Percent {
				if q.Lines[i].Discount, err = q.Lines[i].Total.Percent(strconv.FormatInt(promo.Value, 10)); err != nil {
					return nil, err
				}
			}
			q.Discount.Amount += q.Lines[i].Discount.Amount
		}
	}
	rate := "0"
	if strings.EqualFold(req.Country, "DE") {
		rate = "19"
	}
	for i := range q.Lines {
		l := &q.Lines[i]
		if l.Tax, err = money.Of(l.Total.Amount-l.Discount.Amount, f.Currency).Percent(rate); err != nil {
			return nil, err
		}
		q.Tax.Amount += l.Tax.Amount
	}
	q.Total = money.Of(q.Subtotal.Amount-q.Discount.Amount+q.Shipping.Amount+q.Tax.Amount, f.Currency)
	return promo, nil
}

func (f *Fake) promotion(code string, subtotal money.Money) (*pricing.Promotion, error) {
	if code == "" {
		return nil, nil
	}
	p, now := f.promotions[strings.ToUpper(code)], f.Now()
	if p == nil || now.Before(p.StartsAt) || !now.Before(p.EndsAt) || subtotal.Amount < p.MinSubtotal.Amount || p.UsageLimit > 0 && p.Used >= p.UsageLimit {
		return nil, pricing.InvalidPromotion.Errorf("promotion %q does not count now", code)
	}
	return p, nil
}

// ReleaseQuote implements pricing.Service.
func (f *Fake) ReleaseQuote(ctx context.Context, req pricing.ReleaseQuoteRequest) (pricing.ReleaseQuoteReply, error) {
	if err := staffOnly(ctx); err != nil {
		return pricing.ReleaseQuoteReply{}, err
	}
	if req.Key == "" {
		return pricing.ReleaseQuoteReply{}, pricing.InvalidQuote.Errorf("key is missing")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.quotes[req.Key]
	if p := f.promotions[k.quote.PromoCode]; p != nil && !k.released {
		p.Used--
	}
	k.released = true
	f.quotes[req.Key] = k
	return pricing.ReleaseQuoteReply{}, nil
}
