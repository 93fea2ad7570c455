package password

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
)

func free() error { return nil }

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := New()
	hash, err := h.Hash(t.Context(), "correct horse battery")
	require.NoError(t, err)
	again, err := h.Hash(t.Context(), "correct horse battery")
	require.NoError(t, err)
	require.NotEqual(t, hash, again, "salted")
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterx": false, "": false} {
		same, err := h.Verify(t.Context(), password, hash, free)
		require.NoError(t, err)
		require.Equal(t, want, same, password)
	}
}

func TestNobodyHasTheSameWork(t *testing.T) {
	t.Parallel()
	h := New()
	dummy, _, _, err := argon2id.DecodeHash(h.dummy)
	require.NoError(t, err)
	require.Equal(t, params, *dummy)
	admitted := false
	same, err := h.Verify(t.Context(), "", "", func() error { admitted = true; return nil })
	require.NoError(t, err)
	require.False(t, same)
	require.True(t, admitted)
}

func TestAdmitComesFirst(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	same, err := New().Verify(t.Context(), "x", "not a hash: looking at it would be another error", func() error { return no })
	require.ErrorIs(t, err, no)
	require.False(t, same)
}

func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	h := withPlaces(2, time.Minute)
	var now, most atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			errs <- h.placed(context.Background(), h.places, func() error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				_, err := argon2id.CreateHash("x", &params)
				now.Add(-1)
				return err
			})
		})
	}
	wg.Wait()
	for range 8 {
		require.NoError(t, <-errs)
	}
	require.LessOrEqual(t, most.Load(), int64(2))
}

func TestFullIsUnavailable(t *testing.T) {
	t.Parallel()
	h := withPlaces(1, time.Millisecond)
	require.NoError(t, h.placed(t.Context(), h.places, func() error {
		_, err := h.Hash(t.Context(), "x")
		require.ErrorIs(t, err, fault.Unavailable)
		require.Equal(t, "1", fault.From(err).Details["retry_after"])
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = h.Verify(gone, "x", "", free)
		require.ErrorIs(t, err, context.Canceled)
		return nil
	}))
	_, err := h.Hash(t.Context(), "x")
	require.NoError(t, err, "the place is free again")
}

func TestWhoRegistersLeavesPlacesToThoseWhoLogIn(t *testing.T) {
	t.Parallel()
	h := withPlaces(3, time.Millisecond)
	fill := func(ctx context.Context, then func() error) error {
		return h.placed(ctx, h.newcomers, func() error { return h.placed(ctx, h.places, then) })
	}
	require.NoError(t, fill(t.Context(), func() error {
		return fill(t.Context(), func() error {
			_, err := h.Hash(t.Context(), "x")
			require.ErrorIs(t, err, fault.Unavailable, "a third newcomer")
			_, err = h.Verify(t.Context(), "x", "", free)
			require.NoError(t, err)
			return nil
		})
	}))
}
