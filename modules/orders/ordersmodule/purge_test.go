package ordersmodule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/orders/ordersmodule"
	"github.com/banyan-tree/banyan/modules/orders/orderstest"
)

// What nobody can ask for any more is forgotten: keys a day after their use, sagas
// three months after their end. Orders stay.
func TestKeysAndEndedSagasAreForgotten(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), ordersmodule.Migrations()...))
		shop := orderstest.NewShop()
		b := build(t, db, shop)
		count := func(table string) (n int64) {
			if err := db.Conn(t.Context()).Table(table).Count(&n).Error; err != nil {
				return -1
			}
			return n
		}
		stop, stopped := b.run()
		user := b.buyer(1)
		keyed := port.WithIdempotencyKey(orderstest.As(user), port.IdempotencyKey{Scope: user, Key: "k"})
		placed, err := b.Service.Place(keyed, orderstest.Request(user, "tok_visa"))
		require.NoError(t, err)
		stop()
		stopped()
		require.Positive(t, count("idempotency_keys"))
		require.Positive(t, count("sagas"))

		later := build(t, db, shop)
		later.late.Store(int64(91 * 24 * time.Hour))
		later.run()
		require.Eventually(t, func() bool { return count("idempotency_keys") == 0 && count("sagas") == 0 }, patience, 10*time.Millisecond)
		require.Equal(t, placed.Status, later.get(placed.ID).Status)
	})
}
