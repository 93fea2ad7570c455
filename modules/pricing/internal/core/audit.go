package core

import (
	"context"
	"fmt"

	"github.com/banyan-tree/banyan/internal/audit"
)

const auditPage = 500

// Checks are the conservation rules of pricing.
func (s *Service) Checks() []audit.Check {
	return []audit.Check{{
		Rule: "pricing.promotions_counted",
		Says: "a promotion was used as often as open quotes use it, and not more often than its limit",
		Run:  s.auditPromotions,
	}}
}

func (s *Service) auditPromotions(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for after := ""; ; {
		page, err := s.Store.Usage(ctx, after, auditPage)
		if err != nil || len(page) == 0 {
			return examined, err
		}
		for _, u := range page {
			examined++
			after = u.Code
			if u.Used != u.Quotes {
				report("promotion "+u.Code, fmt.Sprintf("used is %d, %d open quotes use it", u.Used, u.Quotes))
			}
			if u.Limit > 0 && u.Used > u.Limit {
				report("promotion "+u.Code, fmt.Sprintf("used %d times, its limit is %d", u.Used, u.Limit))
			}
		}
	}
}
