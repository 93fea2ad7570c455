package pricingtest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
)

func promotions(t *testing.T, h Harness) {
	a, b := h.sold(t, 1001, 1), h.sold(t, 333, 1)
	ask := func(code string) (pricing.Quote, error) {
		req := of("DE", item(a, 1), item(b, 2))
		req.PromoCode = code
		return h.Service.Quote(Customer(), req)
	}
	for _, c := range []struct {
		promo    pricing.Promotion
		discount int64
	}{
		{pricing.Promotion{Kind: pricing.Percent, Value: 10}, 100 + 67},
		{pricing.Promotion{Kind: pricing.Percent, Value: 100}, 1667},
		{pricing.Promotion{Kind: pricing.Fixed, Value: 500}, 500},
		{pricing.Promotion{Kind: pricing.Fixed, Value: 5000}, 1667},
		{pricing.Promotion{Kind: pricing.Fixed, Value: 1, MinSubtotal: USD(1667)}, 1},
	} {
		c.promo.Code = strings.ToLower(code())
		made := MustPromote(t, h.Service, c.promo)
		require.Equal(t, strings.ToUpper(c.promo.Code), made.Code)
		q, err := ask(c.promo.Code)
		require.NoError(t, err)
		RequireSum(t, q)
		require.Equal(t, USD(c.discount), q.Discount, "%+v", c.promo)
		require.Equal(t, made.Code, q.PromoCode)
	}
	now := time.Now()
	for name, p := range map[string]pricing.Promotion{
		"not yet":    {StartsAt: now.Add(time.Hour), EndsAt: now.Add(2 * time.Hour)},
		"over":       {StartsAt: now.Add(-2 * time.Hour), EndsAt: now.Add(-time.Hour)},
		"too little": {MinSubtotal: USD(1668)},
	} {
		p.Code, p.Kind, p.Value = code(), pricing.Fixed, 1
		MustPromote(t, h.Service, p)
		_, err := ask(p.Code)
		require.ErrorIs(t, err, pricing.InvalidPromotion, name)
	}
	for _, unknown := range []string{code(), "no code", "\x00", "%"} {
		_, err := ask(unknown)
		require.ErrorIs(t, err, pricing.InvalidPromotion, "%q", unknown)
	}
}

func badPromotions(t *testing.T, h Harness) {
	taken := MustPromote(t, h.Service, pricing.Promotion{Code: code(), Kind: pricing.Fixed, Value: 1})
	_, err := h.Service.CreatePromotion(Staff(), pricing.CreatePromotionRequest{Promotion: taken})
	require.ErrorIs(t, err, pricing.PromotionExists)
	good := taken
	for name, spoil := range map[string]func(*pricing.Promotion){
		"no code":      func(p *pricing.Promotion) { p.Code = "" },
		"bad code":     func(p *pricing.Promotion) { p.Code = "A B" },
		"kind":         func(p *pricing.Promotion) { p.Kind = "gift" },
		"nothing":      func(p *pricing.Promotion) { p.Value = 0 },
		"negative":     func(p *pricing.Promotion) { p.Value = -1 },
		"101 percent":  func(p *pricing.Promotion) { p.Kind, p.Value = pricing.Percent, 101 },
		"no start":     func(p *pricing.Promotion) { p.StartsAt = time.Time{} },
		"no end":       func(p *pricing.Promotion) { p.EndsAt = time.Time{} },
		"never":        func(p *pricing.Promotion) { p.EndsAt = p.StartsAt },
		"limit":        func(p *pricing.Promotion) { p.UsageLimit = -1 },
		"currency":     func(p *pricing.Promotion) { p.MinSubtotal = money.Of(1, "EUR") },
		"min subtotal": func(p *pricing.Promotion) { p.MinSubtotal = USD(-1) },
	} {
		bad := good
		bad.Code = code()
		spoil(&bad)
		_, err := h.Service.CreatePromotion(Staff(), pricing.CreatePromotionRequest{Promotion: bad})
		require.ErrorIs(t, err, pricing.InvalidPromotion, name)
	}
}

// keyedQuotes stay as they were, whatever changes around them.
func keyedQuotes(t *testing.T, h Harness) {
	a := h.sold(t, 1000, 1)
	p := MustPromote(t, h.Service, pricing.Promotion{Code: code(), Kind: pricing.Percent, Value: 10, UsageLimit: 1})
	req := of("US", item(a, 2))
	req.Key, req.PromoCode = id.V7(), p.Code
	first, err := h.Service.Quote(Shop(), req)
	require.NoError(t, err)
	RequireSum(t, first)

	MustPrice(t, h.Service, a, 5000)
	other := req
	other.Items = []pricing.QuoteItem{item(a, 1)}
	for _, again := range []pricing.QuoteRequest{req, other} {
		q, err := h.Service.Quote(Shop(), again)
		require.NoError(t, err)
		require.Equal(t, first, q)
	}
	next := req
	next.Key = id.V7()
	_, err = h.Service.Quote(Shop(), next)
	require.ErrorIs(t, err, pricing.InvalidPromotion, "its only use is taken")

	for range 3 { // gives one use back, not three
		_, err = h.Service.ReleaseQuote(Shop(), pricing.ReleaseQuoteRequest{Key: req.Key})
		require.NoError(t, err)
	}
	_, err = h.Service.Quote(Shop(), req)
	require.ErrorIs(t, err, pricing.QuoteExpired)
	next.Key = id.V7()
	_, err = h.Service.Quote(Shop(), next)
	require.NoError(t, err)
	next.Key = id.V7()
	_, err = h.Service.Quote(Shop(), next)
	require.ErrorIs(t, err, pricing.InvalidPromotion)
}

// releasedBefore releases what is quoted only afterwards: a late quote.
func releasedBefore(t *testing.T, h Harness) {
	req := of("US", item(h.sold(t, 1000, 1), 1))
	req.Key = id.V7()
	for range 2 {
		_, err := h.Service.ReleaseQuote(Shop(), pricing.ReleaseQuoteRequest{Key: req.Key})
		require.NoError(t, err)
	}
	_, err := h.Service.Quote(Shop(), req)
	require.ErrorIs(t, err, pricing.QuoteExpired)
	_, err = h.Service.ReleaseQuote(Shop(), pricing.ReleaseQuoteRequest{})
	require.ErrorIs(t, err, pricing.InvalidQuote)
}

// usageLimit has 64 orders race for 5 uses, then gives 2 back and lets 64 more race.
func usageLimit(t *testing.T, h Harness) {
	a := h.sold(t, 1000, 1)
	p := MustPromote(t, h.Service, pricing.Promotion{Code: code(), Kind: pricing.Fixed, Value: 100, UsageLimit: 5})
	race := func() (won []string) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		errs := make(chan error, 64)
		for range 64 {
			wg.Go(func() {
				req := of("US", item(a, 1))
				req.Key, req.PromoCode = id.V7(), p.Code
				if _, err := h.Service.Quote(Shop(), req); err != nil {
					errs <- err
					return
				}
				mu.Lock()
				defer mu.Unlock()
				won = append(won, req.Key)
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.ErrorIs(t, err, pricing.InvalidPromotion)
		}
		return won
	}
	won := race()
	require.Len(t, won, 5)
	for _, key := range won[:2] {
		_, err := h.Service.ReleaseQuote(Shop(), pricing.ReleaseQuoteRequest{Key: key})
		require.NoError(t, err)
	}
	require.Len(t, race(), 2)
}

// lastUseTwice asks for one order's quote many times at once, with a promotion
// that has one use left: it is that order's, whichever call came first.
func lastUseTwice(t *testing.T, h Harness) {
	a := h.sold(t, 1000, 1)
	for range 5 {
		p := MustPromote(t, h.Service, pricing.Promotion{Code: code(), Kind: pricing.Fixed, Value: 100, UsageLimit: 1})
		req := of("US", item(a, 1))
		req.Key, req.PromoCode = id.V7(), p.Code
		quotes, errs := make([]pricing.Quote, 16), make([]error, 16)
		var wg sync.WaitGroup
		for i := range quotes {
			wg.Go(func() { quotes[i], errs[i] = h.Service.Quote(Shop(), req) })
		}
		wg.Wait()
		for i := range quotes {
			require.NoError(t, errs[i])
			require.Equal(t, quotes[0], quotes[i])
		}
	}
}

// QuoteOrRelease has both at once: no use is lost, whoever is first. It is not
// part of Exercise: where every command is delivered twice, a release between
// the two rightly makes them differ.
func QuoteOrRelease(t *testing.T, h Harness) {
	a := h.sold(t, 1000, 1)
	p := MustPromote(t, h.Service, pricing.Promotion{Code: code(), Kind: pricing.Fixed, Value: 100, UsageLimit: 1})
	quoted := 0
	for range 20 {
		req := of("US", item(a, 1))
		req.Key, req.PromoCode = id.V7(), p.Code
		var wg sync.WaitGroup
		var quoteErr, releaseErr error
		wg.Go(func() { _, quoteErr = h.Service.Quote(Shop(), req) })
		wg.Go(func() { _, releaseErr = h.Service.ReleaseQuote(Shop(), pricing.ReleaseQuoteRequest{Key: req.Key}) })
		wg.Wait()
		require.NoError(t, releaseErr)
		if quoteErr == nil {
			quoted++
			continue
		}
		require.ErrorIs(t, quoteErr, pricing.QuoteExpired)
	}
	last := of("US", item(a, 1))
	last.Key, last.PromoCode = id.V7(), p.Code
	_, err := h.Service.Quote(Shop(), last)
	require.NoError(t, err, "after %d quotes and as many releases", quoted)
}
