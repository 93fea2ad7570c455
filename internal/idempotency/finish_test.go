package idempotency_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
)

const lease = 30 * time.Second

func TestFinish(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		final := reply{ID: "1", Amount: 7}
		got, err := idempotency.Finish(ctx, b.keys, lease, b.act("1"), func(ctx context.Context, first reply) (reply, error) {
			require.Equal(t, "1", first.ID)
			require.Equal(t, 1, b.effects(t), "the effect is committed")
			_, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), nil)
			require.ErrorIs(t, err, idempotency.InFlight)
			return final, nil
		})
		require.NoError(t, err)
		require.Equal(t, final, got)
		got, err = idempotency.Finish(ctx, b.keys, lease, b.act("2"), nil)
		require.NoError(t, err)
		require.Equal(t, final, got)
		require.Equal(t, 1, b.effects(t))

		_, err = idempotency.Finish(t.Context(), b.keys, 0, b.act("2"), nil)
		require.ErrorContains(t, err, "lease")
		require.ErrorContains(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			_, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), nil)
			return err
		}), "not inside a transaction")
	})
}

func TestFinishAfterACrash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		require.Panics(t, func() {
			_, _ = idempotency.Finish(ctx, b.keys, lease, b.act("1"), func(context.Context, reply) (reply, error) { panic("killed") })
		})
		b.clock.Advance(lease - time.Second)
		_, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), nil)
		require.ErrorIs(t, err, idempotency.InFlight)
		b.clock.Advance(time.Second)
		got, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), func(_ context.Context, first reply) (reply, error) {
			first.Amount = 7
			return first, nil
		})
		require.NoError(t, err)
		require.Equal(t, reply{ID: "1", Amount: 7, Lines: []string{"a", "b"}}, got)
		require.Equal(t, 1, b.effects(t))
	})
}

// A repeat that does not wait for the final answer gets the first one, once nobody is
// finding the final one any more. It may never be found.
func TestRepeatOfFinishThatDoesNotWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		require.Panics(t, func() {
			_, _ = idempotency.Finish(ctx, b.keys, lease, b.act("1"), func(context.Context, reply) (reply, error) { panic("killed") })
		})
		_, err := idempotency.Do(ctx, b.keys, b.act("2"))
		require.ErrorIs(t, err, idempotency.InFlight)
		b.clock.Advance(lease)
		flagged, replayed := port.WithReplayFlag(ctx)
		got, err := idempotency.Do(flagged, b.keys, b.act("2"))
		require.NoError(t, err)
		require.Equal(t, "1", got.ID)
		require.True(t, replayed.Load())
		got, err = idempotency.Finish(ctx, b.keys, lease, b.act("3"), func(_ context.Context, first reply) (reply, error) {
			first.Amount = 7
			return first, nil
		})
		require.NoError(t, err)
		require.EqualValues(t, 7, got.Amount, "who waits still finds the final one")
		got, err = idempotency.Do(ctx, b.keys, b.act("4"))
		require.NoError(t, err)
		require.EqualValues(t, 7, got.Amount)
		require.Equal(t, 1, b.effects(t))
	})
}

// Where it is known that the process is gone, a repeat need not wait for the lease.
func TestFinishOfAnHeir(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		require.Panics(t, func() {
			_, _ = idempotency.Finish(ctx, b.keys, lease, b.act("1"), func(context.Context, reply) (reply, error) { panic("killed") })
		})
		_, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), nil)
		require.ErrorIs(t, err, idempotency.InFlight)
		require.NoError(t, b.keys.Inherit(t.Context()))
		got, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), func(_ context.Context, first reply) (reply, error) { return first, nil })
		require.NoError(t, err)
		require.Equal(t, "1", got.ID)
		require.Equal(t, 1, b.effects(t))
	})
}

func TestFinishWithErrors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		canceled, cancel := context.WithCancel(ctx)
		_, err := idempotency.Finish(canceled, b.keys, lease, b.act("1"), func(ctx context.Context, _ reply) (reply, error) {
			cancel()
			return reply{}, ctx.Err()
		})
		require.ErrorIs(t, err, context.Canceled)
		for _, wrong := range []error{fault.Unavailable.Errorf("down"), soldOut.Errorf("none left")} { // at once, no lease to wait for
			_, err = idempotency.Finish(ctx, b.keys, lease, b.act("2"), func(_ context.Context, first reply) (reply, error) {
				require.Equal(t, "1", first.ID)
				return reply{}, wrong
			})
			require.ErrorIs(t, err, wrong)
		}
		_, err = idempotency.Finish(ctx, b.keys, lease, b.act("2"), nil)
		require.ErrorIs(t, err, soldOut, "a refusal is final")
		require.Equal(t, 1, b.effects(t))

		_, err = idempotency.Finish(keyed(t.Context(), "s", "refused", "f"), b.keys, lease,
			func(context.Context) (reply, error) { return reply{}, soldOut.Errorf("none left") }, nil)
		require.ErrorIs(t, err, soldOut)
	})
}

// A wait that outlasts its lease runs twice; all get the answer of the faster one.
func TestFinishOvertaken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		fast := reply{ID: "fast"}
		got, err := idempotency.Finish(ctx, b.keys, lease, b.act("1"), func(ctx context.Context, _ reply) (reply, error) {
			b.clock.Advance(lease)
			got, err := idempotency.Finish(ctx, b.keys, lease, b.act("2"), func(context.Context, reply) (reply, error) { return fast, nil })
			require.NoError(t, err)
			require.Equal(t, fast, got)
			return reply{ID: "slow"}, nil
		})
		require.NoError(t, err)
		require.Equal(t, fast, got)
		require.Equal(t, 1, b.effects(t))
	})
}

// The answer is written by whoever finds it, with the end of the effect; who waits
// for it reads it, and writes nothing.
func TestFinishElsewhere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := keyed(t.Context(), "s", "k", "f")
		final := reply{ID: "1", Amount: 7}
		settle := func(ctx context.Context, answer reply) error {
			return b.db.Atomic(t.Context(), func(inner context.Context) error {
				return b.keys.Settle(inner, port.IdempotencyKeyFrom(ctx), answer)
			})
		}
		until := func(ctx context.Context, _ reply) error { return settle(ctx, final) }
		never := func(context.Context, reply) (reply, error) { return reply{}, soldOut.Errorf("not to be asked for") }
		flagged, replayed := port.WithReplayFlag(ctx)
		got, err := idempotency.FinishElsewhere(flagged, b.keys, lease, b.act("1"), until, never)
		require.NoError(t, err)
		require.Equal(t, final, got)
		require.False(t, replayed.Load())
		require.NoError(t, settle(ctx, reply{ID: "another"}), "once settled it stays")
		got, err = idempotency.FinishElsewhere(flagged, b.keys, lease, b.act("2"), nil, never)
		require.NoError(t, err)
		require.Equal(t, final, got)
		require.True(t, replayed.Load())
		require.Equal(t, 1, b.effects(t))

		// Nobody wrote it in time: it is found, and stays although it is written later.
		late := keyed(t.Context(), "s", "late", "f")
		pending := reply{ID: "3", Amount: 1}
		got, err = idempotency.FinishElsewhere(late, b.keys, lease, b.act("3"),
			func(context.Context, reply) error { return nil },
			func(context.Context, reply) (reply, error) { return pending, nil })
		require.NoError(t, err)
		require.Equal(t, pending, got)
		require.NoError(t, settle(late, final))
		got, err = idempotency.FinishElsewhere(late, b.keys, lease, b.act("4"), nil, never)
		require.NoError(t, err)
		require.Equal(t, pending, got)

		// Somebody else's request with the same key is not answered by it.
		require.NoError(t, settle(keyed(t.Context(), "s", "nobody", "f"), final))
		_, err = idempotency.FinishElsewhere(keyed(t.Context(), "s", "late", "g"), b.keys, lease, b.act("5"), nil, never)
		require.ErrorIs(t, err, idempotency.Reused)
	})
}
