package catalogmodule_test

import (
	"context"
	"log/slog"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/catalogmodule"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
)

func setup(t *testing.T, db *database.DB) *catalogmodule.Module {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), catalogmodule.Migrations()...))
	m, err := catalogmodule.New(catalogmodule.Deps{DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return m
}

func audited(t *testing.T, m *catalogmodule.Module) (examined int, details []string) {
	t.Helper()
	for _, check := range m.Checks {
		n, err := check.Run(context.Background(), func(subject, detail string) {
			details = append(details, check.Rule+" "+subject+": "+detail)
		})
		require.NoError(t, err)
		examined += n
	}
	return examined, details
}

// requireVersions checks that each product published its versions 1, 2, … and no
// other, which is what consumers wait for.
func requireVersions(t *testing.T, db *database.DB) {
	t.Helper()
	var wrong []string
	err := db.Conn(context.Background()).Raw(`SELECT p.handle FROM products AS p LEFT JOIN outbox AS o ON o.aggregate_id = p.id AND o.topic = ?
		GROUP BY p.handle, p.version HAVING COUNT(o.id) <> p.version OR MAX(o.version) <> p.version`, catalog.Topic).Scan(&wrong).Error
	require.NoError(t, err)
	require.Empty(t, wrong)
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db)
		t.Cleanup(func() {
			examined, details := audited(t, m)
			require.Empty(t, details)
			require.Positive(t, examined)
			requireVersions(t, db)
		})
		porttest.Ways(t, func(s *port.Server) { catalog.Serve(s, m.Service) }, func(t *testing.T, conn *port.Conn) {
			catalogtest.Exercise(t, catalog.NewClient(conn))
		})
	})
}

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	catalogtest.Exercise(t, catalogtest.NewFake(), catalogtest.NotInFake...)
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[catalog.Service](),
		porttest.Served(func(s *port.Server) { catalog.Serve(s, catalogtest.NewFake()) })...)
}

// The audit must see what the rules were made to prevent.
func TestAuditSeesDamage(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db)
		catalogtest.MustPublish(t, m.Service, catalogtest.Input("fig", "fig-s", "fig-l"))
		catalogtest.MustPublish(t, m.Service, catalogtest.Input("fern"))
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("DELETE FROM product_skus WHERE sku = ?", "fig-l").Error
		}))
		examined, details := audited(t, m)
		require.Equal(t, 2, examined)
		require.Equal(t, []string{"catalog.skus_match_products product fig: its variants are fig-l, fig-s, it is found by fig-s"}, details)
	})
}

// The event carries the product whole, and is published in the same transaction.
func TestAChangeThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("ALTER TABLE outbox RENAME TO elsewhere").Error
		}))
		_, err := m.Service.Create(catalogtest.Staff(), catalog.CreateRequest{Product: catalogtest.Input("fig")})
		require.Error(t, err)
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			return db.Conn(ctx).Exec("ALTER TABLE elsewhere RENAME TO outbox").Error
		}))
		_, err = m.Service.Get(catalogtest.Staff(), catalog.GetRequest{Handle: "fig"})
		require.ErrorIs(t, err, catalog.ProductNotFound)
		catalogtest.MustPublish(t, m.Service, catalogtest.Input("fig"))
		requireVersions(t, db)
	})
}
