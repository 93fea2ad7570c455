package ordersmodule_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/ordersmodule"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
)

func TestModuleKeepsTheContract(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		porttest.Ways(t, func(s *port.Server) { orders.Serve(s, b.Service) }, func(t *testing.T, conn *port.Conn) {
			orderstest.Exercise(t, func(*testing.T) orderstest.Harness {
				h := b.harness()
				h.Service = orders.NewClient(conn)
				return h
			})
		})
	})
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := ordersmodule.New(ordersmodule.Deps{})
	require.ErrorContains(t, err, "required")
}

// A token must be gone from the database when the checkout is over, however it ended.
func TestTokensAreWiped(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		b := setup(t, db)
		for _, token := range []string{"tok_visa", "tok_declined", "tok_error", "tok_flaky"} {
			b.place(token)
		}
		require.NoError(t, b.Sagas.Drain(context.Background()))
		for table, column := range map[string]string{"sagas": "state", "orders": "history", "outbox": "data"} {
			var leaks int64
			err := db.Conn(context.Background()).
				Raw("SELECT count(*) FROM " + table + " WHERE " + column + " LIKE '%tok\\_%' ESCAPE '\\'").Scan(&leaks).Error
			require.NoError(t, err)
			require.Zero(t, leaks, table)
		}
		var checkouts int64
		require.NoError(t, db.Conn(context.Background()).Raw("SELECT count(*) FROM sagas").Scan(&checkouts).Error)
		require.Positive(t, checkouts, "there was something to look at")
	})
}
