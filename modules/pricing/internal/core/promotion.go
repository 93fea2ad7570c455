package core

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
)

var promoCode = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{0,63}$`)

// CreatePromotion implements pricing.Service.
func (s *Service) CreatePromotion(ctx context.Context, req pricing.CreatePromotionRequest) (pricing.Promotion, error) {
	if err := staffOnly(ctx); err != nil {
		return pricing.Promotion{}, err
	}
	p := req.Promotion
	p.Code = strings.ToUpper(strings.TrimSpace(p.Code))
	p.StartsAt, p.EndsAt = micros(p.StartsAt), micros(p.EndsAt)
	p.Used = 0
	if p.MinSubtotal == (money.Money{}) {
		p.MinSubtotal = money.Zero(s.Currency)
	}
	if err := s.checkPromotion(p); err != nil {
		return pricing.Promotion{}, err
	}
	err := s.Store.Atomic(ctx, func(ctx context.Context) error {
		isNew, err := s.Store.AddPromotion(ctx, p)
		if err == nil && !isNew {
			err = pricing.PromotionExists.Errorf("there is a promotion %s already; choose another code", p.Code)
		}
		return err
	})
	return p, err
}

func (s *Service) checkPromotion(p pricing.Promotion) error {
	bad := pricing.InvalidPromotion.Errorf("the promotion is not valid")
	if !promoCode.MatchString(p.Code) {
		bad.WithField("/code", "1 to 64 of A-Z, 0-9, _ and -, the first a letter or digit")
	}
	switch {
	case p.Kind == pricing.Percent && (p.Value < 1 || p.Value > 100):
		bad.WithField("/value", "1 to 100 percent")
	case p.Kind == pricing.Fixed && (p.Value < 1 || p.Value > maxAmount):
		bad.WithField("/value", fmt.Sprintf("1 to %d minor units", int64(maxAmount)))
	case p.Kind != pricing.Percent && p.Kind != pricing.Fixed:
		bad.WithField("/kind", `"percent" or "fixed"`)
	}
	if p.StartsAt.Before(longAgo) {
		bad.WithField("/starts_at", "missing, or before the year 2000")
	}
	if !p.StartsAt.Before(p.EndsAt) || p.EndsAt.After(farFuture) {
		bad.WithField("/ends_at", "after starts_at, before the year 9999")
	}
	if detail := s.badAmount(p.MinSubtotal); detail != "" {
		bad.WithField("/min_subtotal", detail)
	}
	if p.UsageLimit < 0 {
		bad.WithField("/usage_limit", "0 for no limit, or how many orders may use it")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// promotion gives the promotion with this code if it counts now for this subtotal.
func (s *Service) promotion(ctx context.Context, code string, subtotal money.Money) (pricing.Promotion, error) {
	code = strings.ToUpper(strings.TrimSpace(code))
	if !promoCode.MatchString(code) {
		return pricing.Promotion{}, pricing.InvalidPromotion.Errorf("there is no promotion %q", code)
	}
	p, ok, err := s.Store.Promotion(ctx, code)
	if err != nil {
		return p, fmt.Errorf("read promotion: %w", err)
	}
	now := s.Now()
	switch {
	case !ok:
		return p, pricing.InvalidPromotion.Errorf("there is no promotion %q", code)
	case now.Before(p.StartsAt):
		return p, pricing.InvalidPromotion.Errorf("promotion %s starts at %s", code, p.StartsAt.Format(time.RFC3339))
	case !now.Before(p.EndsAt):
		return p, pricing.InvalidPromotion.Errorf("promotion %s has ended", code)
	case subtotal.Amount < p.MinSubtotal.Amount:
		return p, pricing.InvalidPromotion.Errorf("promotion %s needs a subtotal of %s", code, p.MinSubtotal)
	case p.UsageLimit > 0 && p.Used >= p.UsageLimit:
		return p, usedUp(code)
	}
	return p, nil
}

func usedUp(code string) error {
	return pricing.InvalidPromotion.Errorf("promotion %s is used up", code)
}

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
