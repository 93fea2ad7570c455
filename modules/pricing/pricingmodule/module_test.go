package pricingmodule_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricingmodule"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
	"github.com/banyan-tree/banyan/modules/shipping/shippingtest"
)

// setup makes the module between two fakes, and the way to publish SKUs.
func setup(t *testing.T, db *database.DB, now clock.Clock) (*pricingmodule.Module, func(*testing.T, string, int64)) {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), pricingmodule.Migrations()...))
	products := catalogtest.NewFake()
	m, err := pricingmodule.New(pricingmodule.Deps{
		DB: db, Now: now, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD",
		Catalog: products, Shipping: shippingtest.NewFake(),
	})
	require.NoError(t, err)
	return m, publish(products)
}

func publish(products *catalogtest.Fake) func(*testing.T, string, int64) {
	return func(t *testing.T, sku string, grams int64) {
		t.Helper()
		in := catalogtest.Input(sku)
		in.Variants[0].WeightGrams = grams
		catalogtest.MustPublish(t, products, in)
	}
}

func audited(t *testing.T, m *pricingmodule.Module) (examined int, details []string) {
	t.Helper()
	for _, check := range m.Checks {
		n, err := check.Run(context.Background(), func(subject, detail string) { details = append(details, subject+": "+detail) })
		require.NoError(t, err)
		examined += n
	}
	return examined, details
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m, publish := setup(t, db, clock.System)
		t.Cleanup(func() {
			examined, details := audited(t, m)
			require.Empty(t, details)
			require.Positive(t, examined)
		})
		porttest.Ways(t, func(s *port.Server) { pricing.Serve(s, m.Service) }, func(t *testing.T, conn *port.Conn) {
			pricingtest.Exercise(t, pricingtest.Harness{Service: pricing.NewClient(conn), Publish: publish})
		})
	})
}

func TestQuoteOrReleaseAtOnce(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m, publish := setup(t, db, clock.System)
		pricingtest.QuoteOrRelease(t, pricingtest.Harness{Service: m.Service, Publish: publish})
		_, details := audited(t, m)
		require.Empty(t, details)
	})
}

func TestFakeKeepsTheContractToo(t *testing.T) {
	t.Parallel()
	products := catalogtest.NewFake()
	pricingtest.Exercise(t, pricingtest.Harness{
		Service: pricingtest.NewFake(products, shippingtest.NewFake()), Publish: publish(products),
	})
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[pricing.Service](),
		porttest.Served(func(s *port.Server) { pricing.Serve(s, pricingtest.NewFake(nil, nil)) })...)
}

func TestQuotesEnd(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		m, publish := setup(t, db, now.Now)
		publish(t, "fig", 1)
		pricingtest.MustPrice(t, m.Service, "fig", 100)
		req := pricing.QuoteRequest{
			Key: "o1", Items: []pricing.QuoteItem{{SKU: "fig", Quantity: 1}}, Country: "US", ShippingMethod: "standard",
		}
		first, err := m.Service.Quote(pricingtest.Shop(), req)
		require.NoError(t, err)
		require.Equal(t, now.Now().Add(pricing.QuoteTTL), first.ExpiresAt)
		now.Advance(pricing.QuoteTTL - time.Microsecond)
		again, err := m.Service.Quote(pricingtest.Shop(), req)
		require.NoError(t, err)
		require.Equal(t, first, again)
		now.Advance(time.Microsecond)
		_, err = m.Service.Quote(pricingtest.Shop(), req)
		require.ErrorIs(t, err, pricing.QuoteExpired)
	})
}

// A promotion counts from its first instant to before its last.
func TestPromotionWindow(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		m, publish := setup(t, db, now.Now)
		publish(t, "fig", 1)
		pricingtest.MustPrice(t, m.Service, "fig", 100)
		made := pricingtest.MustPromote(t, m.Service, pricing.Promotion{
			Code: "NOON", Kind: pricing.Percent, Value: 50, StartsAt: now.Now().Add(time.Second).In(time.FixedZone("", 3600)), EndsAt: now.Now().Add(time.Minute),
		})
		require.Equal(t, time.UTC, made.StartsAt.Location())
		ask := func() error {
			_, err := m.Service.Quote(pricingtest.Customer(), pricing.QuoteRequest{
				Items: []pricing.QuoteItem{{SKU: "fig", Quantity: 1}}, Country: "US", ShippingMethod: "standard", PromoCode: "noon",
			})
			return err
		}
		require.ErrorIs(t, ask(), pricing.InvalidPromotion)
		now.Advance(time.Second)
		require.NoError(t, ask())
		now.Advance(time.Minute - time.Second - time.Microsecond)
		require.NoError(t, ask())
		now.Advance(time.Microsecond)
		require.ErrorIs(t, ask(), pricing.InvalidPromotion)
	})
}

// Each change of a price is one event, in order, also when many set it at once.
func TestPriceEventsAreContiguous(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m, _ := setup(t, db, clock.System)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				prices := []pricing.Price{{SKU: "fig", Price: pricingtest.USD(int64(i % 5))}, {SKU: "ivy", Price: pricingtest.USD(int64(i))}}
				if i%2 == 1 {
					slices.Reverse(prices)
				}
				if _, err := m.Service.SetPrices(pricingtest.Staff(), pricing.SetPricesRequest{Prices: prices}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, sku := range []string{"fig", "ivy"} {
			log, err := m.Outbox.List(t.Context(), event.Filter{Topic: pricing.Topic, AggregateID: sku})
			require.NoError(t, err)
			require.NotEmpty(t, log)
			slices.SortFunc(log, func(a, b event.Logged) int { return int(a.Version - b.Version) })
			for i, e := range log {
				require.EqualValues(t, i+1, e.Version)
			}
			now, err := m.Service.Prices(t.Context(), pricing.PricesRequest{SKUs: []string{sku}})
			require.NoError(t, err)
			var last pricing.Price
			require.NoError(t, json.Unmarshal(log[len(log)-1].Data, &last))
			require.Equal(t, now.Items[0], last)
		}
	})
}

// The audit must see what the rules were made to prevent.
func TestAuditSeesDamage(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m, publish := setup(t, db, clock.System)
		publish(t, "fig", 1)
		pricingtest.MustPrice(t, m.Service, "fig", 100)
		pricingtest.MustPromote(t, m.Service, pricing.Promotion{Code: "TEN", Kind: pricing.Percent, Value: 10, UsageLimit: 3})
		_, err := m.Service.Quote(pricingtest.Shop(), pricing.QuoteRequest{
			Key: "o1", Items: []pricing.QuoteItem{{SKU: "fig", Quantity: 1}}, Country: "US", ShippingMethod: "standard", PromoCode: "TEN",
		})
		require.NoError(t, err)
		_, details := audited(t, m)
		require.Empty(t, details)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("UPDATE promotions SET used = 2").Error
		}))
		_, details = audited(t, m)
		require.Equal(t, []string{"promotion TEN: used is 2, 1 open quotes use it"}, details)
	})
}
