package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
)

const (
	maxBatch  = 500
	maxSKU    = 200            // bytes
	maxAmount = 10_000_000_000 // minor units of one price, so that no order overflows
)

// SetPrices implements pricing.Service.
func (s *Service) SetPrices(ctx context.Context, req pricing.SetPricesRequest) (pricing.SetPricesReply, error) {
	if err := staffOnly(ctx); err != nil {
		return pricing.SetPricesReply{}, err
	}
	prices, err := s.checkPrices(req.Prices)
	if err != nil || len(prices) == 0 {
		return pricing.SetPricesReply{}, err
	}
	var reply pricing.SetPricesReply
	err = s.Store.Atomic(ctx, func(ctx context.Context) error {
		versions, err := s.Store.PutPrices(ctx, prices)
		if err != nil {
			return fmt.Errorf("set prices: %w", err)
		}
		reply.Changed = len(versions)
		events := make([]event.Event, 0, len(versions))
		for _, p := range prices {
			if version, changed := versions[p.SKU]; changed {
				events = append(events, pricing.Changed.New(p.SKU, version, p))
			}
		}
		return s.Events.Publish(ctx, events...)
	})
	return reply, err
}

// Prices implements pricing.Service.
func (s *Service) Prices(ctx context.Context, req pricing.PricesRequest) (pricing.PricesReply, error) {
	reply := pricing.PricesReply{Items: []pricing.Price{}}
	if len(req.SKUs) > maxBatch {
		return reply, pricing.InvalidPrice.Errorf("at most %d SKUs a call, not %d", maxBatch, len(req.SKUs))
	}
	known, err := s.known(ctx, req.SKUs)
	if err != nil {
		return reply, err
	}
	for _, sku := range req.SKUs {
		if p, ok := known[sku]; ok {
			reply.Items = append(reply.Items, p)
		}
	}
	return reply, nil
}

// Fits says why prices and the shop's currency do not go together: 10.00 of the one
// would be sold for 10.00 of the other.
func (s *Service) Fits(ctx context.Context) error {
	n, currency, err := s.Store.Foreign(ctx)
	if err != nil {
		return fmt.Errorf("look for prices in another currency: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%d prices are in %s and the shop sells in %s: set currency back to %[2]s", n, currency, s.Currency)
	}
	return nil
}

func (s *Service) known(ctx context.Context, skus []string) (map[string]pricing.Price, error) {
	prices, err := s.Store.Prices(ctx, skus)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	known := make(map[string]pricing.Price, len(prices))
	for _, p := range prices {
		known[p.SKU] = p
	}
	return known, nil
}

// checkPrices checks prices and sorts them by SKU, so that rows are locked in one order.
func (s *Service) checkPrices(prices []pricing.Price) ([]pricing.Price, error) {
	if len(prices) > maxBatch {
		return nil, pricing.InvalidPrice.Errorf("at most %d prices a call, not %d", maxBatch, len(prices))
	}
	bad := pricing.InvalidPrice.Errorf("the prices are not valid")
	seen := map[string]bool{}
	for i, p := range prices {
		at := fmt.Sprintf("/prices/%d", i)
		if p.SKU == "" || len(p.SKU) > maxSKU {
			bad.WithField(at+"/sku", fmt.Sprintf("1 to %d bytes", maxSKU))
		}
		if seen[p.SKU] {
			bad.WithField(at+"/sku", "the same SKU twice")
		}
		seen[p.SKU] = true
		if detail := s.badAmount(p.Price); detail != "" {
			bad.WithField(at+"/price", detail)
		}
		if p.CompareAt != nil {
			if detail := s.badAmount(*p.CompareAt); detail != "" {
				bad.WithField(at+"/compare_at_price", detail)
			}
		}
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	sorted := slices.Clone(prices)
	slices.SortFunc(sorted, func(a, b pricing.Price) int { return strings.Compare(a.SKU, b.SKU) })
	return sorted, nil
}

// badAmount tells what is wrong with an amount, nothing where it is fine.
func (s *Service) badAmount(m money.Money) string {
	switch {
	case m.Currency != s.Currency:
		return fmt.Sprintf("the shop's currency is %s, not %q", s.Currency, m.Currency)
	case m.Amount < 0 || m.Amount > maxAmount:
		return fmt.Sprintf("0 to %d minor units", int64(maxAmount))
	}
	return ""
}
