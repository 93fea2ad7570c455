package searchmodule_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
	"github.com/banyan-tree/banyan/modules/search/searchmodule"
)

// TestAuditFindsEveryDrift changes copies and owners behind each other's back, in
// each way once; the audit names the product and what differs, and nothing else.
func TestAuditFindsEveryDrift(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		owners := searchmodule.Owners{Catalog: catalogtest.NewFake(), Pricing: pricingtest.NewFake(nil, nil), Inventory: inventorytest.NewFake(), Patience: 50 * time.Millisecond}
		require.NoError(t, db.Migrate(t.Context(), searchmodule.Migrations()...))
		m, err := searchmodule.New(searchmodule.Deps{DB: db, Now: clock.System, NewID: id.V7, Currency: "USD", Owners: owners})
		require.NoError(t, err)
		staff := port.WithPrincipal(t.Context(), port.Principal{Subject: "staff", Roles: []string{port.RoleStaff}})
		for i := range 8 {
			handle := fmt.Sprint("thing-", i)
			_, err := owners.Catalog.Create(staff, catalog.CreateRequest{Product: catalog.ProductInput{
				Handle: handle, Title: "Thing", Vendor: "V", Category: "C", Variants: []catalog.Variant{{SKU: handle}},
			}})
			require.NoError(t, err)
			p, err := owners.Catalog.Publish(staff, catalog.TransitionRequest{Handle: handle})
			require.NoError(t, err)
			price := pricing.Price{SKU: handle, Price: money.Of(100, "USD")}
			_, err = owners.Pricing.SetPrices(staff, pricing.SetPricesRequest{Prices: []pricing.Price{price}})
			require.NoError(t, err)
			_, err = owners.Inventory.SetOnHand(staff, inventory.SetOnHandRequest{Levels: []inventory.OnHand{{SKU: handle, OnHand: 5}}})
			require.NoError(t, err)
			require.NoError(t, hear(m)(
				catalog.WasChanged.New(p.ID, 1, catalog.ProductChanged{Product: p}), pricing.Changed.New(handle, 1, price),
				inventory.Changed.New(handle, 1, inventory.Level{SKU: handle, OnHand: 5, Available: 5}),
			))
		}
		audit := func() []string {
			var found []string
			for _, c := range m.Checks {
				n, err := c.Run(staff, func(subject, detail string) { found = append(found, subject+": "+detail) })
				require.NoError(t, err)
				require.Positive(t, n)
			}
			slices.Sort(found)
			return found
		}
		require.Empty(t, audit())

		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			for _, damage := range []string{
				`UPDATE documents SET price = 99 WHERE title_key = ' thing ' AND product_id IN (SELECT product_id FROM variant_pieces WHERE sku = 'thing-0')`,
				`UPDATE documents SET in_stock = 0 WHERE product_id IN (SELECT product_id FROM variant_pieces WHERE sku = 'thing-1')`,
				`DELETE FROM documents WHERE product_id IN (SELECT product_id FROM variant_pieces WHERE sku = 'thing-2')`,
				`UPDATE documents SET shown = REPLACE(shown, '"Thing"', '"Thong"') WHERE product_id IN (SELECT product_id FROM variant_pieces WHERE sku = 'thing-3')`,
				`UPDATE documents SET product_id = 'nobody' WHERE product_id IN (SELECT product_id FROM variant_pieces WHERE sku = 'thing-4')`,
			} {
				if err := db.Conn(ctx).Exec(damage).Error; err != nil {
					return err
				}
			}
			return nil
		}))
		_, err = owners.Catalog.Archive(staff, catalog.TransitionRequest{Handle: "thing-5"})
		require.NoError(t, err)
		require.Equal(t, []string{
			"product thing-0: search shows it for 0.99 USD to 1.00 USD, it costs 1.00 USD to 1.00 USD",
			"product thing-1: search says in stock: false, inventory says true",
			"product thing-2: it can be bought, and search does not show it",
			`product thing-3: search shows it as "Thong" of "V" in "C", it is "Thing" of "V" in "C"`,
			"product thing-4: it can be bought, and search does not show it",
			"product thing-4: search shows it, and catalog knows no such product",
			"product thing-5: it cannot be bought, and search shows it",
		}, audit())
	})
}

// What is merely under way is no finding.
func TestAuditWaitsForEvents(t *testing.T) {
	t.Parallel()
	db := testenv.SQLite(t, "search")
	owners := searchmodule.Owners{Catalog: catalogtest.NewFake(), Pricing: pricingtest.NewFake(nil, nil), Inventory: inventorytest.NewFake(), Patience: time.Minute}
	require.NoError(t, db.Migrate(t.Context(), searchmodule.Migrations()...))
	m, err := searchmodule.New(searchmodule.Deps{DB: db, Now: clock.System, NewID: id.V7, Currency: "USD", Owners: owners})
	require.NoError(t, err)
	staff := port.WithPrincipal(t.Context(), port.Principal{Subject: "staff", Roles: []string{port.RoleStaff}})
	_, err = owners.Catalog.Create(staff, catalog.CreateRequest{Product: catalog.ProductInput{Handle: "late", Title: "Late", Variants: []catalog.Variant{{SKU: "late"}}}})
	require.NoError(t, err)
	p, err := owners.Catalog.Publish(staff, catalog.TransitionRequest{Handle: "late"})
	require.NoError(t, err)
	price := pricing.Price{SKU: "late", Price: money.Of(100, "USD")}
	_, err = owners.Pricing.SetPrices(staff, pricing.SetPricesRequest{Prices: []pricing.Price{price}})
	require.NoError(t, err)
	looked := make(chan struct{})
	done := make(chan []string)
	go func() {
		var found []string
		close(looked)
		_, err := m.Checks[0].Run(staff, func(subject, detail string) { found = append(found, subject+": "+detail) })
		if err != nil {
			found = append(found, err.Error())
		}
		done <- found
	}()
	<-looked
	require.NoError(t, hear(m)([]event.Event{catalog.WasChanged.New(p.ID, 1, catalog.ProductChanged{Product: p}), pricing.Changed.New("late", 1, price)}...))
	require.Empty(t, <-done)
}
