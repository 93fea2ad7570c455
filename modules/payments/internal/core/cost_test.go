package core_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/database/databasetest"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/internal/store"
)

// counter takes payments that are authorised already, in one transaction each. The
// shop writes them in two, since it asks the provider between.
type counter struct {
	db     *database.DB
	store  *store.Store
	outbox *event.Outbox
}

func newCounter(db *database.DB) *counter {
	return &counter{db, store.New(db), event.NewOutbox(db, clock.System, id.V7)}
}

func (c *counter) record(ctx context.Context) error {
	now := clock.System()
	p := core.Payment{
		ID: id.V7(), OrderID: id.V7(), Purpose: core.ForOrder, UserID: user, Status: payments.Pending,
		Amount: 4550, Currency: "USD", Revision: 1, CreatedAt: now, UpdatedAt: now,
	}
	p.Authorise("charge-" + p.ID)
	return c.db.Atomic(ctx, func(ctx context.Context) error {
		fresh, err := c.store.Insert(ctx, p)
		if err != nil {
			return err
		}
		if !fresh {
			return fmt.Errorf("order %s has a payment already", p.OrderID)
		}
		return c.outbox.Publish(ctx, p.News()...)
	})
}

// recorded is what is in the tables.
type recorded struct{ Payments, Events int64 }

func (c *counter) recorded(tb testing.TB) (r recorded) {
	tb.Helper()
	require.NoError(tb, c.db.Conn(tb.Context()).Raw(`SELECT (SELECT count(*) FROM payments WHERE status = 'authorised' AND version = 1) AS payments,
		(SELECT count(*) FROM outbox) AS events`).Scan(&r).Error)
	return r
}

func counterMigrations() []database.Migrations {
	return []database.Migrations{migrations.Of("payments"), event.OutboxMigrations()}
}

// BenchmarkAuthorised is a payment with its event.
func BenchmarkAuthorised(b *testing.B) {
	c := newCounter(databasetest.CrowdDB(b, "payments", counterMigrations()))
	before := c.recorded(b)
	n := databasetest.Crowd(b, c.record)
	require.Equal(b, recorded{before.Payments + n, before.Events + n}, c.recorded(b))
}

// BenchmarkAuthorisedBare is what it sends to SQLite, without our layers.
func BenchmarkAuthorisedBare(b *testing.B) {
	databasetest.CrowdBare(b, "payments", counterMigrations(), func(db *database.DB) databasetest.Work {
		c := newCounter(db)
		return databasetest.Work{Do: c.record, Done: func(tb testing.TB) any { return c.recorded(tb) }}
	})
}

// What is measured does what is told of it.
func TestAuthorisedIsMeasured(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), counterMigrations()...))
		c := newCounter(db)
		require.NoError(t, c.record(t.Context()))
		require.Equal(t, recorded{1, 1}, c.recorded(t))
	})
}
