package core_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/internal/core"
	"github.com/banyan-tree/banyan/modules/pricing/internal/store"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
	"github.com/banyan-tree/banyan/modules/shipping/shippingtest"
)

// forgetful cannot read quotes as long as it is away.
type forgetful struct {
	core.Store
	away atomic.Bool
}

func (f *forgetful) Quote(ctx context.Context, orderID string) (core.OrderQuote, bool, error) {
	if f.away.Load() {
		return core.OrderQuote{}, false, fault.Unavailable.Errorf("the database is away")
	}
	return f.Store.Quote(ctx, orderID)
}

// An order that took the last use of its promotion, and asks again while its quote
// cannot be read, is told to ask later, and not that the promotion is used up.
func TestQuoteThatCannotBeReadNow(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), migrations.Of("pricing"), event.OutboxMigrations()))
		products := catalogtest.NewFake()
		kept := &forgetful{Store: store.New(db, clock.System, "USD")}
		svc := core.New(core.Deps{
			Store: kept, Events: event.NewOutbox(db, clock.System, id.V7), Catalog: products, Shipping: shippingtest.NewFake(),
			Now: clock.System, NewID: id.V7, Currency: "USD",
		})
		catalogtest.MustPublish(t, products, catalogtest.Input("fig"))
		pricingtest.MustPrice(t, svc, "fig", 1000)
		pricingtest.MustPromote(t, svc, pricing.Promotion{Code: "LAST", Kind: pricing.Fixed, Value: 100, UsageLimit: 1})
		ask := pricing.QuoteRequest{
			Key: "o1", Items: []pricing.QuoteItem{{SKU: "fig", Quantity: 1}}, Country: "DE", ShippingMethod: "standard", PromoCode: "LAST",
		}
		first, err := svc.Quote(pricingtest.Shop(), ask)
		require.NoError(t, err)

		kept.away.Store(true)
		_, err = svc.Quote(pricingtest.Shop(), ask)
		require.ErrorIs(t, err, fault.Unavailable)
		kept.away.Store(false)
		again, err := svc.Quote(pricingtest.Shop(), ask)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
	})
}
