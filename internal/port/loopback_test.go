package port_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

func TestStrictDeliversKeyedCommandsTwice(t *testing.T) {
	t.Parallel()
	k := new(keyed)
	var told []port.Duplicate
	c := loopback(handlers{once: k.raise}, port.Strict(), port.OnDuplicate(func(d port.Duplicate) { told = append(told, d) }))
	got, err := once.Call(t.Context(), c, raiseRequest{Name: "n1"})
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Value)
	require.Equal(t, 1, k.effects)
	require.Len(t, told, 1)
	require.True(t, told[0].SameOutcome())
	require.Equal(t, told[0].First.Body, told[0].Second.Body)
}

func TestStrictNeverRepeatsWithoutKey(t *testing.T) {
	t.Parallel()
	k := new(keyed)
	_, err := raise.Call(t.Context(), loopback(handlers{raise: k.raise}, port.Strict()), raiseRequest{Name: "n1"})
	require.NoError(t, err)
	require.Equal(t, 1, k.effects)
}

// What Strict is there to catch: it must refuse a handler that is not idempotent.
func TestStrictCatchesTheSecondEffect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		replies []error // to the first and the second delivery
		want    error
	}{
		{"ok, then refused", []error{nil, full}, fault.Internal},
		{"refused, then ok", []error{full, nil}, fault.Internal},
		{"refused twice", []error{full, full}, full},
		{"may be retried, then ok", []error{fault.Unavailable, nil}, nil},
		{"may be retried, then refused", []error{fault.Unavailable, full}, full},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			h := handlers{once: func(context.Context, raiseRequest) (tally, error) { return tally{}, c.replies[n.Add(1)-1] }}
			_, err := once.Call(t.Context(), loopback(h, port.Strict()), raiseRequest{Name: "n1"})
			if c.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.want)
			}
			require.EqualValues(t, 2, n.Load())
		})
	}
}

func TestStrictPoisonsWhatAHandlerKept(t *testing.T) {
	t.Parallel()
	var kept raiseRequest
	h := handlers{raise: func(_ context.Context, r raiseRequest) (tally, error) {
		kept = r
		return tally{Name: r.Tags[0]}, nil
	}}
	sent := raiseRequest{Name: "n1", By: 3, Tags: []string{"a", "b"}, Notes: map[string]string{"k": "v"}}
	got, err := raise.Call(t.Context(), loopback(h, port.Strict()), sent)
	require.NoError(t, err)
	require.Equal(t, "a", got.Name, "the reply was written first")
	require.Equal(t, "n1", kept.Name, "values were copied")
	require.NotContains(t, kept.Tags, "a")
	require.NotContains(t, kept.Tags, "b")
	require.Empty(t, kept.Notes)
	require.Equal(t, []string{"a", "b"}, sent.Tags, "the caller's memory is its own")
	require.Equal(t, map[string]string{"k": "v"}, sent.Notes)
}

func TestFractionOfLoopback(t *testing.T) {
	t.Parallel()
	type hidden struct{}
	ctx := context.WithValue(t.Context(), hidden{}, "direct calls see it")
	for _, c := range []struct {
		fraction float64
		min, max int
	}{{0, 0, 0}, {1, 1000, 1000}, {0.5, 350, 650}, {-1, 0, 0}, {2, 1000, 1000}} {
		wired := 0
		h := handlers{read: func(ctx context.Context, _ string) (tally, error) {
			if ctx.Value(hidden{}) == nil {
				wired++
			}
			return tally{}, nil
		}}
		s, conn := port.NewServer("tally"), port.NewConn("tally")
		h.register(s)
		conn.Loopback(s, c.fraction)
		for range 1000 {
			_, err := read.Call(ctx, conn, "a")
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, wired, c.min)
		require.LessOrEqual(t, wired, c.max)
	}
}
