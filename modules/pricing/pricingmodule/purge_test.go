package pricingmodule_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
)

// Quotes are forgotten three months after they were made; those that count as uses
// of a promotion stay, or its audit would find uses that nobody made.
func TestOldQuotesAreForgotten(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(clock.System())
		m, publish := setup(t, db, now.Now)
		publish(t, "fig", 1)
		pricingtest.MustPrice(t, m.Service, "fig", 100)
		pricingtest.MustPromote(t, m.Service, pricing.Promotion{Code: "TEN", Kind: pricing.Percent, Value: 10, UsageLimit: 9})
		quote := func(key, code string) {
			_, err := m.Service.Quote(pricingtest.Shop(), pricing.QuoteRequest{
				Key: key, Items: []pricing.QuoteItem{{SKU: "fig", Quantity: 1}}, Country: "US", ShippingMethod: "standard", PromoCode: code,
			})
			require.NoError(t, err)
		}
		quote("plain", "")
		quote("used", "TEN")
		quote("given back", "TEN")
		_, err := m.Service.ReleaseQuote(pricingtest.Shop(), pricing.ReleaseQuoteRequest{Key: "given back"})
		require.NoError(t, err)
		now.Advance(91 * 24 * time.Hour)
		quote("young", "")

		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for _, task := range m.Tasks {
			go func() { _ = task.Run(ctx) }()
		}
		var left []string
		require.Eventually(t, func() bool {
			err := db.Conn(t.Context()).Table("quotes").Order("order_id").Pluck("order_id", &left).Error
			return err == nil && len(left) <= 2
		}, 2*time.Minute, 10*time.Millisecond)
		require.Equal(t, []string{"used", "young"}, left)
		_, details := audited(t, m)
		require.Empty(t, details)
	})
}
