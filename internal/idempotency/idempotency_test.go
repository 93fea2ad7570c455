package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/testenv"
)

var (
	soldOut = fault.Define("test.sold_out", fault.KindConflict)
	taken   = fault.Define("test.taken", fault.KindConflict)
)

type reply struct {
	ID     string   `json:"id"`
	Amount int64    `json:"amount"`
	Lines  []string `json:"lines"`
}

type effect struct {
	ID string `gorm:"primaryKey"`
}

var effects = database.Migrations{Name: "effects", FS: fstest.MapFS{
	"00001_init.sql": {Data: []byte("-- +goose Up\nCREATE TABLE effects (id text PRIMARY KEY);\n")},
}}

type bundle struct {
	db    *database.DB
	clock *clock.Fake
	keys  *idempotency.Keys
}

func setup(t *testing.T, db *database.DB) *bundle {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), effects, idempotency.Migrations()))
	fake := clock.NewFake(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	return &bundle{db: db, clock: fake, keys: idempotency.New(db, fake.Now)}
}

func (b *bundle) act(id string) func(context.Context) (reply, error) {
	return func(ctx context.Context) (reply, error) {
		return reply{ID: id, Amount: 1<<62 + 1, Lines: []string{"a", "b"}}, b.db.Conn(ctx).Create(&effect{ID: id}).Error
	}
}

func (b *bundle) effects(t *testing.T) (n int) {
	t.Helper()
	var count int64
	require.NoError(t, b.db.Conn(t.Context()).Model(&effect{}).Count(&count).Error)
	return int(count)
}

func keyed(ctx context.Context, scope, key, fingerprint string) context.Context {
	return port.WithIdempotencyKey(ctx, port.IdempotencyKey{Scope: scope, Key: key, Fingerprint: fingerprint})
}

func each(t *testing.T, fn func(t *testing.T, b *bundle)) {
	t.Helper()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		t.Helper()
		fn(t, setup(t, db))
	})
}

func TestRepeatGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, replayed := port.WithReplayFlag(keyed(t.Context(), "ann POST /orders", "k", "body"))
		first, err := idempotency.Do(ctx, b.keys, b.act("1"))
		require.NoError(t, err)
		require.False(t, replayed.Load())
		b.clock.Advance(idempotency.TTL - time.Second)
		again, err := idempotency.Do(ctx, b.keys, b.act("2"))
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.True(t, replayed.Load())

		_, err = idempotency.Do(keyed(t.Context(), "ann POST /orders", "k", "other body"), b.keys, b.act("3"))
		require.ErrorIs(t, err, idempotency.Reused)
		_, err = idempotency.Do(keyed(t.Context(), "bob POST /orders", "k", "other body"), b.keys, b.act("4"))
		require.NoError(t, err, "another user's key is another key")
		require.Equal(t, 2, b.effects(t))

		b.clock.Advance(time.Second)
		late, err := idempotency.Do(ctx, b.keys, b.act("5"))
		require.NoError(t, err)
		require.Equal(t, "5", late.ID, "forgotten after 24 hours")

		for i := range 2 {
			_, err := idempotency.Do(t.Context(), b.keys, b.act(fmt.Sprintf("no key %d", i)))
			require.NoError(t, err)
		}
		require.Equal(t, 5, b.effects(t))
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "refused", "f")
		_, err := idempotency.Do(ctx, b.keys, func(ctx context.Context) (reply, error) {
			_, err := b.act("undone")(ctx)
			require.NoError(t, err)
			return reply{}, soldOut.Errorf("none left").WithField("/items/0", "1 too many").WithDetail("sku", "tea")
		})
		require.ErrorIs(t, err, soldOut)
		ctx, replayed := port.WithReplayFlag(ctx)
		_, err = idempotency.Do(ctx, b.keys, b.act("never"))
		require.ErrorIs(t, err, soldOut)
		require.True(t, replayed.Load())
		got := fault.From(err)
		require.Equal(t, "none left", got.Message)
		require.Equal(t, []fault.Field{{Pointer: "/items/0", Detail: "1 too many"}}, got.Fields)
		require.Equal(t, map[string]string{"sku": "tea"}, got.Details)
		require.Zero(t, b.effects(t))

		// A refusal that a failed statement led to is remembered too.
		_, err = idempotency.Do(t.Context(), b.keys, b.act("x"))
		require.NoError(t, err)
		for range 2 {
			_, err = idempotency.Do(keyed(t.Context(), "s", "taken", "f"), b.keys, func(ctx context.Context) (reply, error) {
				_, err := b.act("x")(ctx)
				require.ErrorIs(t, err, gorm.ErrDuplicatedKey)
				return reply{}, taken.Wrap(err, "choose another")
			})
			require.ErrorIs(t, err, taken)
		}

		// What may go well later is not remembered, nor is a crash before the commit.
		ctx = keyed(t.Context(), "s", "later", "f")
		for _, wrong := range []error{fault.Unavailable.Errorf("down"), errors.New("bug"), idempotency.InFlight, fault.Unauthenticated} {
			_, err = idempotency.Do(ctx, b.keys, func(ctx context.Context) (reply, error) {
				_, err := b.act("later")(ctx)
				require.NoError(t, err)
				return reply{}, wrong
			})
			require.ErrorIs(t, err, wrong)
		}
		require.Panics(t, func() {
			_, _ = idempotency.Do(ctx, b.keys, func(ctx context.Context) (reply, error) {
				_, _ = b.act("later")(ctx)
				panic("killed")
			})
		})
		_, err = idempotency.Do(ctx, b.keys, b.act("later"))
		require.NoError(t, err)
		require.Equal(t, 2, b.effects(t))
	})
}

func TestManyAtOnceHaveOneEffect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const calls = 50
		type result struct {
			rep reply
			err error
		}
		results := make(chan result, calls)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				// Each has its own Keys, as instances do.
				keys := idempotency.New(b.db, b.clock.Now)
				rep, err := idempotency.Do(keyed(t.Context(), "s", "k", "f"), keys, b.act(fmt.Sprint(i)))
				results <- result{rep, err}
			})
		}
		wg.Wait()
		close(results)
		require.Equal(t, 1, b.effects(t))
		winner, err := idempotency.Do(keyed(t.Context(), "s", "k", "f"), b.keys, b.act("late"))
		require.NoError(t, err)
		answered := 0
		for r := range results {
			if r.err != nil {
				require.ErrorIs(t, r.err, idempotency.InFlight)
				continue
			}
			answered++
			require.Equal(t, winner, r.rep)
		}
		require.Positive(t, answered)
	})
}

func TestRepeatWhileTheFirstRunsIsInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t, func() *database.DB {
		db, err := testenv.Open(t, database.Config{URL: testenv.PostgresURL(t)}).Module(t.Context(), "test", 9)
		require.NoError(t, err)
		return db
	}())
	ctx := keyed(t.Context(), "s", "k", "f")
	_, err := idempotency.Do(ctx, b.keys, func(tx context.Context) (reply, error) {
		_, err := idempotency.Do(ctx, b.keys, b.act("second"))
		require.ErrorIs(t, err, idempotency.InFlight)
		return b.act("first")(tx)
	})
	require.NoError(t, err)
	require.Equal(t, 1, b.effects(t))
}

func TestPurge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const keys = 1203
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			for i := range keys { // joins: one transaction for all
				_, err := idempotency.Do(keyed(ctx, "s", fmt.Sprint(i), "f"), b.keys,
					func(context.Context) (int, error) { return i, nil })
				if err != nil {
					return err
				}
			}
			return nil
		}))
		b.clock.Advance(time.Hour)
		_, err := idempotency.Do(keyed(t.Context(), "s", "young", "f"), b.keys, b.act("1"))
		require.NoError(t, err)
		b.clock.Advance(idempotency.TTL - time.Hour)
		var total int64
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 3 { // instances
			wg.Go(func() {
				n, err := b.keys.Purge(t.Context())
				mu.Lock()
				defer mu.Unlock()
				total += n
				if err != nil {
					t.Errorf("purge: %v", err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, keys, total)
		again, err := idempotency.Do(keyed(t.Context(), "s", "young", "f"), b.keys, b.act("2"))
		require.NoError(t, err)
		require.Equal(t, "1", again.ID)
	})
}
