package database_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/testenv"
)

// Writers of SQLite get their turn in the order in which they ask: none is
// overtaken again and again until its deadline has passed.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	const writers, each = 64, 20
	db := withNotes(t, testenv.SQLite(t, "test"))
	var begun, worst atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, writers)
	for i := range writers {
		all.Go(func() {
			<-start
			for n := range each {
				asked := begun.Load()
				errs[i] = db.Atomic(t.Context(), func(ctx context.Context) error {
					waited := begun.Add(1) - asked
					for w := worst.Load(); waited > w && !worst.CompareAndSwap(w, waited); w = worst.Load() {
					}
					return insert(ctx, db, note{ID: fmt.Sprint(i, "-", n)})
				})
				if errs[i] != nil {
					return
				}
			}
		})
	}
	close(start)
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.EqualValues(t, writers*each, begun.Load())
	require.LessOrEqual(t, worst.Load(), int64(2*writers), "a writer was overtaken by more than wait beside it")
}
