package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
)

// totals is a projection of purses: their coins, and how many events made them.
type totals struct {
	*bundle
	schema int
	apply  func(ctx context.Context, generation int64, events []eventstore.Recorded) error // before the rows; nil: nothing
}

func (p totals) projection(name string) eventstore.Projection {
	return eventstore.Projection{Name: name, Schema: max(p.schema, 1), Apply: func(ctx context.Context, generation int64, events []eventstore.Recorded) error {
		if p.apply != nil {
			if err := p.apply(ctx, generation, events); err != nil {
				return err
			}
		}
		for _, r := range events {
			var coins int64
			switch e := r.Event.(type) {
			case filled:
				coins = e.Coins
			case emptied:
				coins = -e.Coins
			}
			err := p.db.Conn(ctx).Exec(`INSERT INTO totals (name, generation, stream, coins, events) VALUES (?, ?, ?, ?, 1)
				ON CONFLICT (name, generation, stream) DO UPDATE SET coins = totals.coins + excluded.coins, events = totals.events + 1`,
				name, generation, r.Stream, coins).Error
			if err != nil {
				return err
			}
		}
		return nil
	}, Drop: func(ctx context.Context, generation int64, limit int) (int64, error) {
		tx := p.db.Conn(ctx).Exec(`DELETE FROM totals WHERE name = ? AND generation = ? AND stream IN
			(SELECT stream FROM totals WHERE name = ? AND generation = ? LIMIT ?)`, name, generation, name, generation, min(limit, 2))
		return tx.RowsAffected, tx.Error
	}}
}

func withTotals(t *testing.T, b *bundle) {
	t.Helper()
	b.exec(t, `CREATE TABLE totals (name text NOT NULL, generation bigint NOT NULL, stream text NOT NULL, coins bigint NOT NULL,
		events bigint NOT NULL, PRIMARY KEY (name, generation, stream))`)
}

// total is what a reader sees: in one statement, whatever generation serves.
func (b *bundle) total(t testing.TB, f *eventstore.Feed, name string) (coins, events int64) {
	t.Helper()
	var sum struct{ Coins, Events int64 }
	require.NoError(t, b.db.Conn(t.Context()).Table("totals").Select("COALESCE(SUM(coins), 0) AS coins, COALESCE(SUM(events), 0) AS events").
		Where("name = ? AND generation = (?)", name, f.Serving(t.Context(), name)).Scan(&sum).Error)
	return sum.Coins, sum.Events
}

func caughtUp(t *testing.T, f *eventstore.Feed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, f.CaughtUp(ctx))
}

func only(t *testing.T, f *eventstore.Feed, state eventstore.State) (found []eventstore.Status) {
	t.Helper()
	all, err := f.Status(t.Context())
	require.NoError(t, err)
	for _, s := range all {
		if s.State == state {
			found = append(found, s)
		}
	}
	return found
}

// Two instances feed, writers of both race, and every event comes exactly once.
func TestProjectionsHaveEveryEventOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		two := []*bundle{b, instance(t, b.db, clock.System, 10)}
		metrics := prometheus.NewRegistry()
		var feeds []*eventstore.Feed
		for i, b := range two {
			feeds = append(feeds, eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b}.projection("totals"), totals{bundle: b}.projection("again")}, eventstore.Metrics(metrics)))
			stop := b.run(t, feeds[i].Task())
			defer stop()
		}
		var group errgroup.Group
		for w := range 8 {
			group.Go(func() error {
				for i := range 25 {
					if _, err := two[w%2].fill(t.Context(), fmt.Sprint("p", (w+i)%4), "", 2); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		caughtUp(t, feeds[1])
		for _, name := range []string{"totals", "again"} {
			coins, events := b.total(t, feeds[0], name)
			require.EqualValues(t, 400, coins, name)
			require.EqualValues(t, 200, events, name)
			behind, err := feeds[0].Behind(t.Context(), name)
			require.NoError(t, err)
			require.Zero(t, behind)
		}
		families, err := metrics.Gather()
		require.NoError(t, err)
		counted := map[string]float64{}
		for _, family := range families {
			for _, m := range family.Metric {
				counted[family.GetName()] += m.GetCounter().GetValue()
			}
		}
		require.Contains(t, counted, "banyan_projections_lag_events")
		require.Contains(t, counted, "banyan_projections_lag_seconds")
		require.EqualValues(t, 400, counted["banyan_projections_applied_total"])
	})
}

// While a projection is built anew, events come and readers always see all that
// they saw before. It goes on where it was after its process was stopped.
func TestRebuildWhileOthersWriteAndRead(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		b.bulk(t, "big", 3000)
		var slow atomic.Bool
		p := totals{bundle: b, apply: func(ctx context.Context, generation int64, events []eventstore.Recorded) error {
			if start := events[0].Stream == "big" && events[0].Version == 1; generation > 1 && !start && slow.Load() {
				<-ctx.Done() // so that it is stopped in the middle
				return ctx.Err()
			}
			return nil
		}}
		make := func() *eventstore.Feed {
			return eventstore.NewFeed(b.store, []eventstore.Projection{p.projection("totals")}, eventstore.Grace(0))
		}
		f := make()
		stop := b.run(t, f.Task())
		caughtUp(t, f)
		slow.Store(true)
		generation, err := f.Rebuild(t.Context(), "totals")
		require.NoError(t, err)
		require.EqualValues(t, 2, generation)

		var quit atomic.Bool
		var writing, reading sync.WaitGroup
		written := 0
		writing.Go(func() {
			for !quit.Load() {
				b.mustFill(t, "live", 1)
				written++
			}
		})
		reads := 0
		reading.Go(func() {
			var before int64
			for !quit.Load() {
				coins, events := b.total(t, f, "totals")
				if !(events >= before && coins == events && events >= 3000) {
					t.Errorf("a reader saw %d events with %d coins after %d", events, coins, before)
					return
				}
				before = events
				reads++
			}
		})
		require.Eventually(t, func() bool {
			building := only(t, f, eventstore.Building)
			return len(building) == 1 && building[0].Applied > 0
		}, patience, 10*time.Millisecond)
		stop()
		building := only(t, f, eventstore.Building)
		require.Len(t, building, 1, "it is still in the middle")
		require.Less(t, building[0].Applied, int64(3000))
		again, err := f.Rebuild(t.Context(), "totals")
		require.NoError(t, err)
		require.EqualValues(t, 2, again, "it goes on")
		slow.Store(false)
		f = make()
		b.run(t, f.Task())
		require.Eventually(t, func() bool {
			serving := only(t, f, eventstore.Serving)
			return len(serving) == 1 && serving[0].Generation == 2 && len(only(t, f, eventstore.Retired)) == 0
		}, patience, 10*time.Millisecond)
		quit.Store(true)
		writing.Wait()
		reading.Wait()
		caughtUp(t, f)
		coins, events := b.total(t, f, "totals")
		require.EqualValues(t, 3000+written, coins)
		require.EqualValues(t, coins, events)
		require.Positive(t, reads)
		require.Zero(t, b.count(t, "SELECT COUNT(*) FROM totals WHERE generation = 1"), "the old rows are gone")
		_, err = f.Rebuild(t.Context(), "no such")
		require.ErrorContains(t, err, `no projection is called "no such"`)
	})
}

// Readers ask how far behind their rows are; that costs the same however far it is.
func TestBehindIsCountedUpToABound(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		f := eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b}.projection("totals")})
		behind := func() int64 {
			n, err := f.Behind(t.Context(), "totals")
			require.NoError(t, err)
			return n
		}
		require.Zero(t, behind())
		b.bulk(t, "big", eventstore.MostBehind-1)
		require.EqualValues(t, eventstore.MostBehind-1, behind())
		b.bulk(t, "bigger", 50)
		require.EqualValues(t, eventstore.MostBehind, behind())
	})
}

// A history so short that it is built before anybody looks is built once.
func TestRebuildOfAShortHistory(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		f := eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b}.projection("totals")}, eventstore.Grace(time.Hour))
		b.run(t, f.Task())
		b.mustFill(t, "p", 1)
		caughtUp(t, f)
		type slow struct{}
		ctx := context.WithValue(t.Context(), slow{}, true)
		looks := 0
		require.NoError(t, b.db.Conn(ctx).Callback().Query().Before("gorm:query").Register("slow", func(tx *gorm.DB) {
			if tx.Statement.Context.Value(slow{}) == nil {
				return
			}
			looks++
			require.Eventually(t, func() bool { return len(only(t, f, eventstore.Building)) == 0 }, patience, time.Millisecond)
		}))
		for n := range int64(3) {
			generation, err := f.Rebuild(ctx, "totals")
			require.NoError(t, err)
			require.Equal(t, n+2, generation)
			require.Equal(t, generation, only(t, f, eventstore.Serving)[0].Generation)
		}
		require.Equal(t, 6, looks)
	})
}

// One that cannot go on says why, holds up no other, and goes on when it can.
func TestAFailingProjectionHoldsUpNoOther(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		var broken atomic.Bool
		broken.Store(true)
		bad := totals{bundle: b, apply: func(ctx context.Context, _ int64, _ []eventstore.Recorded) error {
			if broken.Load() {
				return errors.New("boom")
			}
			return nil
		}}
		f := eventstore.NewFeed(b.store, []eventstore.Projection{bad.projection("bad"), totals{bundle: b}.projection("good")})
		b.run(t, f.Task())
		b.mustFill(t, "p", 3)
		require.Eventually(t, func() bool {
			_, events := b.total(t, f, "good")
			all, err := f.Status(t.Context())
			require.NoError(t, err)
			return events == 3 && len(all) == 2 && all[0].Name == "bad" && all[0].Lag == 3 && all[0].Failure != ""
		}, patience, 10*time.Millisecond)
		broken.Store(false)
		caughtUp(t, f)
		_, events := b.total(t, f, "bad")
		require.EqualValues(t, 3, events)
		for _, s := range only(t, f, eventstore.Serving) {
			require.Empty(t, s.Failure)
		}
	})
}

// A process that is paused after it has read events, and wakes up when another has
// taken over and applied them, changes nothing.
func TestAZombieAppliesNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		b.mustFill(t, "p", 3)
		inside, goOn := make(chan struct{}), make(chan struct{})
		wakeUp := sync.OnceFunc(func() { close(goOn) })
		defer wakeUp()
		sleep := sync.OnceFunc(func() { close(inside); <-goOn })
		types, err := eventstore.NewRegistry(eventstore.Type[filled]("purse.filled").Since(func(data json.RawMessage) (json.RawMessage, error) {
			sleep() // it reads, and is not in its transaction yet
			return data, nil
		}))
		require.NoError(t, err)
		slow := *b
		slow.store = eventstore.New(b.db, types, clock.System, slog.New(slog.DiscardHandler))
		zombie := eventstore.NewFeed(slow.store, []eventstore.Projection{totals{bundle: b}.projection("totals")})
		stop := b.run(t, zombie.Task())
		<-inside
		next := eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b}.projection("totals")})
		require.NoError(t, next.Inherit(t.Context()))
		other := instance(t, b.db, clock.System, 10)
		other.run(t, next.Task())
		caughtUp(t, next)
		wakeUp()
		b.mustFill(t, "p", 2)
		caughtUp(t, next)
		stop()
		coins, events := b.total(t, next, "totals")
		require.EqualValues(t, 5, coins)
		require.EqualValues(t, 5, events)
	})
}

// A version of the program that makes other rows builds them beside those of the
// one before, which feeds its own as long as it lives.
func TestANewSchemaIsBuiltBesideTheOld(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		withTotals(t, b)
		old := eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b}.projection("totals")})
		stop := b.run(t, old.Task())
		b.mustFill(t, "p", 4)
		caughtUp(t, old)
		stop()
		doubled := totals{bundle: b, schema: 2}
		p := doubled.projection("totals")
		apply := p.Apply
		p.Apply = func(ctx context.Context, g int64, events []eventstore.Recorded) error {
			return errors.Join(apply(ctx, g, events), apply(ctx, g, events))
		}
		f := eventstore.NewFeed(b.store, []eventstore.Projection{p})
		b.run(t, f.Task())
		require.Eventually(t, func() bool {
			serving := only(t, f, eventstore.Serving)
			return len(serving) == 1 && serving[0].Schema == 2
		}, patience, 10*time.Millisecond)
		coins, _ := b.total(t, f, "totals")
		require.EqualValues(t, 8, coins)
	})
}

// While somebody writes, a feed that has just begun does not know yet how far the
// streams are: what is half built does not serve.
func TestWhatIsHalfBuiltDoesNotServe(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]int{"another schema": 2, "the same schema": 1} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, b *bundle) {
				if b.db.Dialect() == database.SQLite {
					t.Skip("SQLite has one writer, so nothing is held back")
				}
				withTotals(t, b)
				old := eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b}.projection("totals")})
				stop := b.run(t, old.Task())
				b.mustFill(t, "p", 4)
				caughtUp(t, old)
				stop()
				f := eventstore.NewFeed(b.store, []eventstore.Projection{totals{bundle: b, schema: schema}.projection("totals")})
				generation, err := f.Rebuild(t.Context(), "totals")
				require.NoError(t, err)
				require.EqualValues(t, 2, generation)

				late := hold(t, b.db)
				late.must(t, b.appends("late"))
				var looks atomic.Int64
				require.NoError(t, b.db.Conn(t.Context()).Callback().Row().After("gorm:row").Register("looks", func(tx *gorm.DB) {
					if strings.Contains(tx.Statement.SQL.String(), "pg_locks") {
						looks.Add(1)
					}
				}))
				b.run(t, f.Task())
				require.Eventually(t, func() bool { return looks.Load() > 3 }, patience, time.Millisecond)
				_, events := b.total(t, f, "totals")
				require.EqualValues(t, 4, events)
				require.EqualValues(t, 1, only(t, f, eventstore.Serving)[0].Generation)
				late.commit(t)
				require.Eventually(t, func() bool { return only(t, f, eventstore.Serving)[0].Generation == 2 }, patience, 10*time.Millisecond)
				caughtUp(t, f)
				_, events = b.total(t, f, "totals")
				require.EqualValues(t, 5, events)
			})
		})
	}
}
