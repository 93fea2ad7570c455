package eventstore_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
)

// held is a transaction that another goroutine keeps open.
type held struct {
	do   chan func(context.Context) error
	done chan error
}

// hold begins one, which is undone at the end of the test unless it was committed.
func hold(t *testing.T, db *database.DB) *held {
	t.Helper()
	h := &held{do: make(chan func(context.Context) error), done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.done <- db.Atomic(t.Context(), func(ctx context.Context) error {
			for {
				select {
				case fn, more := <-h.do:
					if !more {
						return nil
					}
					if err := fn(ctx); err != nil {
						return err
					}
					h.done <- nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	}()
	t.Cleanup(func() { <-ended })
	return h
}

func (h *held) must(t *testing.T, fn func(context.Context) error) {
	t.Helper()
	h.do <- fn
	require.NoError(t, <-h.done)
}

func (h *held) commit(t *testing.T) {
	t.Helper()
	close(h.do)
	require.NoError(t, <-h.done)
}

func (b *bundle) appends(stream string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.store.Append(ctx, stream, eventstore.Head{}, "", filled{1})
		return err
	}
}

func (b *bundle) append(t *testing.T, stream string) {
	t.Helper()
	require.NoError(t, b.db.Atomic(t.Context(), b.appends(stream)))
}

func streams(t *testing.T, r *eventstore.Reader, after int64) (names []string, last int64) {
	t.Helper()
	events, err := r.Next(t.Context(), after, 1000)
	require.NoError(t, err)
	for _, e := range events {
		names, last = append(names, e.Stream), e.Position
	}
	return names, last
}

// A transaction that commits late has a position before one that is visible. Both
// orders of the transactions' own numbers are tried: a horizon made from the two
// ends of a snapshot would skip the younger one. And a failover is, after which
// positions come again that the reader knew: at the end of what it saw, before it,
// and before what it waited for.
func TestReaderSkipsNothingThatCommitsLate(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		if b.db.Dialect() == database.SQLite {
			t.Skip("SQLite has one writer, so nothing commits late")
		}
		for name, tc := range map[string]struct {
			younger bool  // the late one
			lost    int64 // events, at a failover
			waiting bool  // for somebody, when it came
		}{
			"late and older":                        {},
			"late and younger":                      {younger: true},
			"after a failover":                      {lost: 5},
			"after a failover, where the reader is": {lost: 2},
			"after a failover, beyond the reader":   {lost: 1},
			"after a failover, while it waits":      {lost: 2, waiting: true},
			"after a failover, all is lost":         {lost: math.MaxInt64},
		} {
			t.Run(name, func(t *testing.T) {
				reader := b.store.Reader()
				for i := range 6 {
					b.append(t, fmt.Sprint(name, i))
				}
				start, waiting, err := reader.Look(t.Context())
				require.NoError(t, err)
				require.False(t, waiting)
				if tc.waiting {
					writer := hold(t, b.db)
					writer.must(t, b.appends("held"+name))
					b.append(t, "seen"+name)
					_, waiting, err := reader.Look(t.Context())
					require.NoError(t, err)
					require.True(t, waiting)
					writer.commit(t)
				}
				after := start
				if tc.lost > 0 {
					after = max(0, b.count(t, "SELECT MAX(position) FROM stream_events")-tc.lost)
					b.fallBack(t, after)
					start = 0 // it knows nothing
				}

				late, early := hold(t, b.db), hold(t, b.db)
				number := func(ctx context.Context) error { return b.db.Conn(ctx).Exec("SELECT pg_current_xact_id()").Error }
				if tc.younger {
					early.must(t, number)
				}
				late.must(t, b.appends("late"+name))
				early.must(t, b.appends("early"+name))
				early.commit(t)
				for range 3 {
					safe, waiting, err := reader.Look(t.Context())
					require.NoError(t, err)
					require.True(t, waiting)
					require.Equal(t, start, safe)
					names, _ := streams(t, reader, after)
					require.Empty(t, names)
				}
				late.commit(t)
				_, waiting, err = reader.Look(t.Context())
				require.NoError(t, err)
				require.False(t, waiting)
				names, _ := streams(t, reader, after)
				require.Equal(t, []string{"late" + name, "early" + name}, names)
			})
		}
	})
}

// Writers whose transactions take their time, some of them undone; a reader that
// only ever goes forward sees every event that stayed, once, in order per stream.
func TestReaderSeesAllUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		const writers, rounds = 8, 40
		ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
		defer cancel()
		seen := map[string]int64{}
		var total, waits int
		stop := make(chan struct{})
		var group sync.WaitGroup
		var readErr error
		group.Go(func() {
			reader := b.store.Reader()
			after := int64(0)
			for last := false; ; {
				select {
				case <-stop:
					last = true
				case <-ctx.Done():
					return
				default:
				}
				_, waiting, err := reader.Look(ctx)
				if readErr = err; err != nil {
					return
				}
				if waiting {
					waits++
				}
				for {
					events, err := reader.Next(ctx, after, 7)
					if readErr = err; err != nil {
						return
					}
					for _, e := range events {
						if e.Version != seen[e.Stream]+1 {
							readErr = fmt.Errorf("version %d of %s follows on %d", e.Version, e.Stream, seen[e.Stream])
							return
						}
						seen[e.Stream], after, total = e.Version, e.Position, total+1
					}
					if len(events) < 7 {
						break
					}
				}
				if last && !waiting {
					return
				}
			}
		})
		var writing errgroup.Group
		for w := range writers {
			writing.Go(func() error {
				for i := range rounds {
					_, err := b.purses.Change(ctx, fmt.Sprint("p", (w+i)%5), "", func(eventstore.Loaded[purse]) ([]any, error) {
						return []any{filled{1}}, nil
					}, func(ctx context.Context, _ eventstore.Change[purse]) error {
						if b.db.Dialect() == database.SQLite {
							return nil
						}
						return b.db.Conn(ctx).Exec("SELECT pg_sleep(?)", float64(i%4)/500).Error
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, writing.Wait())
		close(stop)
		group.Wait()
		require.NoError(t, readErr)
		require.Equal(t, writers*rounds, total)
		if b.db.Dialect() == database.Postgres {
			require.Positive(t, waits, "the reader never had to wait: nothing was tested")
		}
	})
}
