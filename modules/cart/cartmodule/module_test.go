package cartmodule_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/cart/cartmodule"
	"github.com/banyan-tree/banyan/modules/cart/carttest"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
)

// neighbours fail every call that is made while the cart holds its transaction.
type products struct {
	*catalogtest.Fake
	db *database.DB
}

func (p products) Variants(ctx context.Context, req catalog.VariantsRequest) (catalog.VariantsReply, error) {
	if p.db.Inside(ctx) {
		return catalog.VariantsReply{}, fault.Internal.Errorf("the catalog is asked inside the cart's transaction")
	}
	return p.Fake.Variants(ctx, req)
}

type prices struct {
	*pricingtest.Fake
	db *database.DB
}

func (p prices) Prices(ctx context.Context, req pricing.PricesRequest) (pricing.PricesReply, error) {
	if p.db.Inside(ctx) {
		return pricing.PricesReply{}, fault.Internal.Errorf("pricing is asked inside the cart's transaction")
	}
	return p.Fake.Prices(ctx, req)
}

type bundle struct {
	carttest.Harness
	*cartmodule.Module
	catalog *catalogtest.Fake
}

func setup(t *testing.T, db *database.DB, now clock.Clock) bundle {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), cartmodule.Migrations()...))
	sold := catalogtest.NewFake()
	priced := pricingtest.NewFake(sold, nil)
	m, err := cartmodule.New(cartmodule.Deps{
		DB: db, Now: now, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD",
		Catalog: products{sold, db}, Pricing: prices{priced, db},
	})
	require.NoError(t, err)
	return bundle{Module: m, catalog: sold, Harness: carttest.Harness{Service: m.Service, Sell: func(t *testing.T, sku string, cents int64) {
		t.Helper()
		if _, err := sold.Get(catalogtest.Staff(), catalog.GetRequest{Handle: sku}); err != nil {
			catalogtest.MustPublish(t, sold, catalogtest.Input(sku))
		}
		pricingtest.MustPrice(t, priced, sku, cents)
	}}}
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db, clock.System)
		porttest.Ways(t, func(s *port.Server) { cart.Serve(s, b.Module.Service) }, func(t *testing.T, conn *port.Conn) {
			carttest.Exercise(t, carttest.Harness{Service: cart.NewClient(conn), Sell: b.Sell})
		})
	})
}

func TestFakeKeepsTheContractToo(t *testing.T) {
	t.Parallel()
	fake := carttest.NewFake()
	carttest.Exercise(t, carttest.Harness{Service: fake, Sell: func(_ *testing.T, sku string, cents int64) { fake.Sell(sku, cents) }})
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[cart.Service](),
		porttest.Served(func(s *port.Server) { cart.Serve(s, carttest.NewFake()) })...)
}

// What is no longer for sale stays in the cart, without a price.
func TestWhatIsNoLongerForSale(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db, clock.System)
		svc, o := b.Module.Service, cart.Owner{UserID: "ada"}
		b.Sell(t, "fig", 100)
		b.Sell(t, "ivy", 50)
		carttest.MustSet(t, svc, o, "fig", 2)
		carttest.MustSet(t, svc, o, "ivy", 1)
		_, err := b.catalog.Archive(catalogtest.Staff(), catalog.TransitionRequest{Handle: "fig"})
		require.NoError(t, err)
		c := carttest.MustGet(t, svc, o)
		require.Len(t, c.Lines, 2)
		require.Nil(t, c.Lines[0].UnitPrice)
		require.Nil(t, c.Lines[0].Total)
		require.Equal(t, pricingtest.USD(50), c.Subtotal)
		_, err = svc.SetItem(carttest.User("ada"), cart.SetItemRequest{Owner: o, SKU: "fig", Quantity: 3})
		require.ErrorIs(t, err, cart.UnknownSKU)
	})
}

// A guest's token is nowhere in the database.
func TestTokensAreNotKept(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db, clock.System)
		guest := carttest.MustOpen(t, b.Module.Service)
		var hashes []string
		require.NoError(t, db.Conn(t.Context()).Raw("SELECT token_hash FROM carts").Scan(&hashes).Error)
		require.Len(t, hashes, 1)
		require.NotContains(t, hashes[0], guest.GuestToken)
		require.Len(t, hashes[0], 64)
	})
}

// Guests' carts go after a month without a change, with their lines; users' stay.
func TestIdleGuestCartsAreDropped(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		b := setup(t, db, now.Now)
		svc, ada := b.Module.Service, cart.Owner{UserID: "ada"}
		b.Sell(t, "fig", 100)
		idle, used, moved := carttest.MustOpen(t, svc), carttest.MustOpen(t, svc), carttest.MustOpen(t, svc)
		for _, o := range []cart.Owner{idle, used, moved, ada} {
			carttest.MustSet(t, svc, o, "fig", 1)
		}
		merge := cart.MergeRequest{UserID: "ada", GuestToken: moved.GuestToken}
		_, err := svc.Merge(carttest.User("ada"), merge)
		require.NoError(t, err)
		_, err = svc.CheckOut(carttest.Shop(), cart.CheckOutRequest{UserID: "ada", OrderID: "o1"})
		require.NoError(t, err)
		now.Advance(29 * 24 * time.Hour)
		carttest.MustSet(t, svc, used, "fig", 2)
		now.Advance(25 * time.Hour)

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Tasks[0].Run(ctx) }()
		require.Eventually(t, func() bool {
			_, err := svc.Get(t.Context(), cart.GetRequest{Owner: idle})
			return err != nil
		}, 2*time.Minute, 10*time.Millisecond)
		stop()
		require.NoError(t, <-done)

		_, err = svc.Get(t.Context(), cart.GetRequest{Owner: idle})
		require.ErrorIs(t, err, cart.UnknownToken)
		require.Len(t, carttest.MustGet(t, svc, used).Lines, 1)
		require.Equal(t, []cart.CartRef{{SKU: "fig", Quantity: 2}}, carttest.Refs(carttest.MustGet(t, svc, ada)))
		for table, want := range map[string]int64{"carts": 2, "cart_lines": 2, "checkouts": 0, "merges": 0} {
			var n int64
			require.NoError(t, db.Conn(t.Context()).Table(table).Count(&n).Error)
			require.Equal(t, want, n, table)
		}
	})
}

// What another instance is at does not keep the rest from being forgotten.
func TestPurgePassesOverWhatIsHeld(t *testing.T) {
	t.Parallel()
	db, err := testenv.Open(t, database.Config{URL: testenv.PostgresURL(t)}).Module(t.Context(), "test", 4)
	require.NoError(t, err)
	now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	b := setup(t, db, now.Now)
	idle := carttest.MustOpen(t, b.Module.Service)
	for _, order := range []string{"o1", "o2"} {
		_, err = b.Module.Service.CheckOut(carttest.Shop(), cart.CheckOutRequest{UserID: "ada", OrderID: order})
		require.NoError(t, err)
	}
	now.Advance(31 * 24 * time.Hour)
	require.NoError(t, db.Atomic(t.Context(), func(held context.Context) error {
		var orders []string
		if err := db.Conn(held).Raw("SELECT order_id FROM checkouts WHERE order_id = 'o1' FOR UPDATE").Scan(&orders).Error; err != nil {
			return err
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = b.Tasks[0].Run(ctx) }()
		require.Eventually(t, func() bool {
			_, err := b.Module.Service.Get(t.Context(), cart.GetRequest{Owner: idle})
			return errors.Is(err, cart.UnknownToken)
		}, 2*time.Minute, 10*time.Millisecond)
		require.NoError(t, db.Conn(t.Context()).Raw("SELECT order_id FROM checkouts").Scan(&orders).Error)
		require.Equal(t, []string{"o1"}, orders)
		return nil
	}))
}
