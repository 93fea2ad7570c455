package port_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/port"
)

// keySpy answers with the key it was called with.
func keySpy(seen *[]port.IdempotencyKey) func(context.Context, raiseRequest) (tally, error) {
	return func(ctx context.Context, _ raiseRequest) (tally, error) {
		*seen = append(*seen, port.IdempotencyKeyFrom(ctx))
		return tally{}, nil
	}
}

func TestKeysAreTheSameBothWays(t *testing.T) {
	t.Parallel()
	fromCaller := port.IdempotencyKey{Scope: "u1 POST /tallies", Key: "k", Fingerprint: "f"}
	for _, c := range []struct {
		name   string
		caller port.IdempotencyKey
		method *port.Method[raiseRequest, tally]
		want   port.IdempotencyKey
	}{
		{"none", port.IdempotencyKey{}, raise, port.IdempotencyKey{}},
		{"the caller's", fromCaller, raise, port.IdempotencyKey{Scope: "u1 POST /tallies tally.raise", Key: "k", Fingerprint: "f"}},
		{"natural", port.IdempotencyKey{}, once, port.IdempotencyKey{Scope: "tally.once", Key: "n1"}},
		{"the caller's before natural", fromCaller, once, port.IdempotencyKey{Scope: "u1 POST /tallies tally.once", Key: "k", Fingerprint: "f"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var seen []port.IdempotencyKey
			h := handlers{raise: keySpy(&seen), once: keySpy(&seen)}
			for _, conn := range []*port.Conn{direct(h), loopback(h)} {
				ctx := t.Context()
				if !c.caller.IsZero() {
					ctx = port.WithIdempotencyKey(ctx, c.caller)
				}
				_, err := c.method.Call(ctx, conn, raiseRequest{Name: "n1"})
				require.NoError(t, err)
			}
			require.Equal(t, []port.IdempotencyKey{c.want, c.want}, seen)
		})
	}
}

// A key is for one command: what its handler calls must not be mistaken for it.
func TestKeyAndReplayFlagAreNotInherited(t *testing.T) {
	t.Parallel()
	var seen []port.IdempotencyKey
	inner := func(ctx context.Context, r raiseRequest) (tally, error) {
		port.MarkReplayed(ctx)
		return keySpy(&seen)(ctx, r)
	}
	for _, below := range []*port.Conn{direct(handlers{raise: inner, once: inner}), loopback(handlers{raise: inner, once: inner})} {
		outer := handlers{raise: func(ctx context.Context, r raiseRequest) (tally, error) {
			if _, err := raise.Call(ctx, below, r); err != nil {
				return tally{}, err
			}
			if _, err := once.Call(ctx, below, r); err != nil {
				return tally{}, err
			}
			return raise.Call(port.WithIdempotencyKey(ctx, port.IdempotencyKey{Scope: "s", Key: "new"}), below, r)
		}}
		for _, c := range []*port.Conn{direct(outer), loopback(outer)} {
			seen = nil
			ctx, replayed := port.WithReplayFlag(port.WithIdempotencyKey(t.Context(), port.IdempotencyKey{Scope: "u1", Key: "k"}))
			_, err := raise.Call(ctx, c, raiseRequest{Name: "n1"})
			require.NoError(t, err)
			require.False(t, replayed.Load(), "it was not this command that was replayed")
			require.Equal(t, []port.IdempotencyKey{
				{}, {Scope: "tally.once", Key: "n1"}, {Scope: "s tally.raise", Key: "new"},
			}, seen)
		}
	}
}

func TestReplayFlagCrossesTheWire(t *testing.T) {
	t.Parallel()
	strict := func(h handlers) *port.Conn { return loopback(h, port.Strict()) }
	plain := func(h handlers) *port.Conn { return loopback(h) }
	for name, connect := range map[string]func(handlers) *port.Conn{
		"direct": func(h handlers) *port.Conn { return direct(h) }, "loopback": plain, "strict": strict,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(handlers{raise: new(keyed).raise})
			for _, want := range []bool{false, true} {
				ctx, replayed := port.WithReplayFlag(port.WithIdempotencyKey(t.Context(), port.IdempotencyKey{Key: "k"}))
				got, err := raise.Call(ctx, c, raiseRequest{Name: "n1"})
				require.NoError(t, err)
				require.EqualValues(t, 1, got.Value)
				require.Equal(t, want, replayed.Load())
			}
		})
	}
}
