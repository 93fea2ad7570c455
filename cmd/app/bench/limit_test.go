package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The limit must do all of the work, or its rate says nothing.
func TestTheLimitDoesTheWork(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := &bench{dir: t.TempDir()}
	l, err := b.sqliteLimit(ctx)
	require.NoError(t, err)
	w, err := l.run(ctx, 4, 25, time.Second)
	require.NoError(t, err)
	require.Equal(t, 25, w.n)
	require.Len(t, w.answers, 25)
	done, err := l.count(ctx)
	require.NoError(t, err)
	require.NoError(t, done.check(25))
	require.ErrorContains(t, done.check(26), "did not do the work")
	require.NoError(t, l.close())
}

// Parts of it are counted apart.
func TestTheLimitDoesAPart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := &bench{dir: t.TempDir()}
	l, err := b.sqliteLimit(ctx)
	require.NoError(t, err)
	done := map[string]int64{"orders": 3, "inventory": 5, "payments": 4}
	for module, n := range done {
		w, err := l.part(ctx, module, 2, int(n), time.Second)
		require.NoError(t, err)
		require.EqualValues(t, n, w.n)
	}
	have, err := l.count(ctx)
	require.NoError(t, err)
	require.NoError(t, have.checkParts(done))
	done["inventory"]++
	require.ErrorContains(t, have.checkParts(done), "did not do the work")
	require.NoError(t, l.close())
}

func TestNineteenRoundTrips(t *testing.T) {
	t.Parallel()
	statements := 0
	for _, text := range strings.Split(orderScript(transactions()), "\n") {
		if strings.HasSuffix(text, ";") {
			statements++
		}
		require.NotContains(t, text, "?", "an argument that nothing stands for")
	}
	require.Equal(t, 19, statements)
	parts := 0
	for _, p := range storeParts() {
		parts += strings.Count(orderScript(transactionsOf(p.module)), ";\n")
	}
	require.Equal(t, 19, parts, "the modules' parts are the whole")
	require.Equal(t, "a = $1 AND b = $2", dollars("a = ? AND b = ?"))
}

func TestParallelStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	var seen [100]bool
	require.NoError(t, parallel(context.Background(), 7, len(seen), func(_ context.Context, i int) error {
		seen[i] = true
		return nil
	}))
	require.NotContains(t, seen, false)
	err := parallel(context.Background(), 1, 10, func(_ context.Context, i int) error {
		if i == 3 {
			return context.DeadlineExceeded
		}
		require.Less(t, i, 3)
		return nil
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
