package searchmodule_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchmodule"
	"github.com/banyan-tree/banyan/modules/search/searchtest"
)

// market is search behind a bus, with an outbox for each owner.
type market struct {
	*searchmodule.Module
	db      *database.DB
	bus     *event.Bus
	outbox  map[string]*event.Outbox // by the first part of a topic
	sources map[string]*database.DB
	shelf   *searchtest.Shelf
	now     *clock.Fake
}

// openMarket opens one more instance over the same data.
func openMarket(t *testing.T, open func(string) *database.DB) *market {
	t.Helper()
	m := &market{db: open("search"), outbox: map[string]*event.Outbox{}, sources: map[string]*database.DB{}, now: clock.NewFake(time.Now())}
	require.NoError(t, m.db.Migrate(t.Context(), searchmodule.Migrations()...))
	var err error
	m.Module, err = searchmodule.New(searchmodule.Deps{DB: m.db, Now: m.now.Now, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD"})
	require.NoError(t, err)
	m.bus, err = event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	for _, owner := range []string{"catalog", "pricing", "inventory"} {
		db := open(owner)
		require.NoError(t, db.Migrate(t.Context(), event.OutboxMigrations()))
		m.sources[owner], m.outbox[owner] = db, event.NewOutbox(db, clock.System, id.V7)
		m.bus.Source(m.outbox[owner])
	}
	m.bus.Subscribe(m.Consumer)
	m.shelf = searchtest.NewShelf(searchtest.Harness{Service: m.Service})
	return m
}

func (m *market) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, task := range m.bus.Tasks() {
		group.Go(func() { _ = task.Run(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

func (m *market) publish(t *testing.T, events ...event.Event) {
	t.Helper()
	for owner, outbox := range m.outbox {
		mine := slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool { return !strings.HasPrefix(e.Topic, owner+".") })
		require.NoError(t, m.sources[owner].Atomic(t.Context(), func(ctx context.Context) error { return outbox.Publish(ctx, mine...) }))
	}
}

func (m *market) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	require.NoError(t, m.bus.Drain(ctx))
}

// answers are what an index says to a number of questions.
func (m *market) answers(t *testing.T) []search.Results {
	t.Helper()
	yes, low := true, int64(1500)
	var all []search.Results
	for _, req := range []search.FindRequest{
		{}, {Text: "lamp"}, {Text: "lmap"}, {Text: "blue la"}, {Text: "red", Sort: search.Dearest}, {Vendor: "Lux"}, {Category: "Lamps 1", Sort: search.Cheapest},
		{Text: "lamp", InStock: &yes}, {MinPrice: &low, Sort: search.Newest}, {Text: "nothing like it"}, {Text: "lamp-007"},
	} {
		req.Limit = 100
		all = append(all, searchtest.MustFind(t, m.Service, req))
	}
	return all
}

func lamp(i int) searchtest.Thing {
	colour := []string{"Red", "Blue", "Green"}[i%3]
	return searchtest.Thing{
		Handle: searchtest.Numbered("lamp", i), Title: colour + " lamp", Vendor: []string{"Lux", "Lumen"}[i%2], Category: fmt.Sprint("Lamps ", i%4),
		Price: int64(1000 + 100*(i%10)), Stock: int64(i % 3), Day: i, Description: "<p>A " + colour + " lamp for a desk.</p>",
	}
}

func (m *market) fill(t *testing.T, n int) {
	t.Helper()
	var things []searchtest.Thing
	for i := range n {
		things = append(things, lamp(i))
	}
	m.publish(t, m.shelf.Events(things...)...)
	gone := lamp(n)
	m.publish(t, m.shelf.Events(gone)...)
	gone.Status = catalog.Archived
	m.publish(t, m.shelf.Product(gone))
}

func (m *market) generations(t *testing.T) map[string]int {
	t.Helper()
	var rows []struct {
		State string
		N     int
	}
	require.NoError(t, m.db.Conn(t.Context()).Raw(`SELECT state, count(*) AS n FROM generations GROUP BY state`).Scan(&rows).Error)
	all := map[string]int{}
	for _, r := range rows {
		all[r.State] = r.N
	}
	return all
}

func (m *market) rows(t *testing.T) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, table := range []string{"documents", "product_pieces", "variant_pieces", "offer_pieces", "words", "labels", "generations"} {
		var n int64
		require.NoError(t, m.db.Conn(t.Context()).Table(table).Count(&n).Error)
		all[table] = n
	}
	return all
}

func TestReplayBuildsTheSameIndexAnew(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		m.fill(t, 60)
		m.drain(t)
		want := m.answers(t)
		require.EqualValues(t, 60, want[0].Total)
		before := m.rows(t)

		// What is wrong in the index is right in the new one.
		require.NoError(t, m.db.Atomic(t.Context(), func(ctx context.Context) error {
			return m.db.Conn(ctx).Exec(`UPDATE documents SET price = 1, vendor = 'Nobody'`).Error
		}))
		require.NotEqual(t, want, m.answers(t))
		var last, total int64
		n, err := m.bus.Replay(t.Context(), "search", time.Time{}, func(done, of int64) { last, total = done, of })
		require.NoError(t, err)
		require.EqualValues(t, 61*3+1, n)
		require.Equal(t, []int64{n, n}, []int64{last, total})
		require.Equal(t, want, m.answers(t))
		require.Equal(t, map[string]int{"live": 1, "retired": 1}, m.generations(t))

		// The old one is removed once nobody can be reading it.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tidied := make(chan error, 1)
		m.now.Advance(2 * time.Minute)
		go func() { tidied <- m.Tasks[0].Run(ctx) }()
		require.Eventually(t, func() bool { return m.generations(t)["retired"] == 0 }, time.Minute, 20*time.Millisecond)
		cancel()
		require.NoError(t, <-tidied)
		require.Equal(t, before, m.rows(t), "nothing of it is left")
		require.Equal(t, want, m.answers(t))
	})
}

// While an index is built, the old one answers every question as before, live
// events are found at once, and afterwards nothing of them is missing.
func TestReplayBesideLiveEvents(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		m.fill(t, 120)
		m.drain(t)
		m.run(t)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		var replays, asked, changed atomic.Int64
		var group sync.WaitGroup
		group.Go(func() {
			defer cancel()
			for range 4 {
				if _, err := m.bus.Replay(t.Context(), "search", time.Time{}, nil); err != nil {
					t.Errorf("replay: %v", err)
					return
				}
				replays.Add(1)
			}
		})
		group.Go(func() { // what was there stays there, all of it, at each moment
			for ctx.Err() == nil {
				r, err := m.Service.Find(t.Context(), search.FindRequest{Text: "desk", Vendor: "Lux", Limit: 100})
				if err != nil || r.Total != 60 || len(r.Items) != 60 {
					t.Errorf("while it was built anew, %d of 60 were found: %v", r.Total, err)
					return
				}
				asked.Add(1)
			}
		})
		price := int64(0)
		for i := 0; ctx.Err() == nil; i++ { // changes come in, and can be found
			price = int64(50_000 + i)
			m.publish(t, m.shelf.Price(lamp(i%120).Handle, price, 0))
			changed.Add(1)
			require.Eventually(t, func() bool {
				return searchtest.MustFind(t, m.Service, search.FindRequest{MinPrice: &price, MaxPrice: &price}).Total == 1
			}, time.Minute, time.Millisecond)
		}
		group.Wait()
		require.EqualValues(t, 4, replays.Load())
		require.Positive(t, asked.Load())
		t.Logf("%d questions and %d changes beside %d replays", asked.Load(), changed.Load(), replays.Load())
		m.drain(t)
		live := m.answers(t)
		_, err := m.bus.Replay(t.Context(), "search", time.Time{}, nil)
		require.NoError(t, err)
		require.Equal(t, live, m.answers(t), "the index that took live events while it was built is as one built at rest")
	})
}

// A builder that died leaves a half-built index, which is given up and removed; one
// that was only asleep can do nothing more to it.
func TestHalfBuiltIndexIsGivenUp(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		m.fill(t, 30)
		m.drain(t)
		want := m.answers(t)

		asleep, err := m.Consumer.Rebuild(t.Context(), time.Time{})
		require.NoError(t, err)
		half, err := envelopes(searchtest.NewShelf(searchtest.Harness{}).Events(lamp(0), lamp(1))...)
		require.NoError(t, err)
		require.NoError(t, asleep.Apply(t.Context(), half))
		require.Equal(t, want, m.answers(t))
		_, err = m.bus.Replay(t.Context(), "search", time.Time{}, nil)
		require.ErrorIs(t, err, search.Rebuilding, "somebody is at it")

		m.now.Advance(2 * time.Minute)
		_, err = m.bus.Replay(t.Context(), "search", time.Time{}, nil)
		require.NoError(t, err)
		require.Equal(t, want, m.answers(t))
		require.ErrorIs(t, asleep.Apply(t.Context(), half), search.Rebuilding)
		require.ErrorIs(t, asleep.Finish(t.Context()), search.Rebuilding)
		require.NoError(t, asleep.Abandon(t.Context()))
		require.Equal(t, map[string]int{"live": 1, "retired": 2}, m.generations(t))
		require.Equal(t, want, m.answers(t))

		// One that fails gives up by itself.
		broken, cancel := context.WithCancel(t.Context())
		_, err = m.bus.Replay(broken, "search", time.Time{}, func(done, _ int64) {
			if done > 50 {
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, m.generations(t)["building"])
		require.Equal(t, want, m.answers(t))
	})
}

// Of those that begin at the same moment one builds, and the others are told so.
func TestBuildersThatBeginAtOnce(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		for range 10 {
			const builders = 8
			type begun struct {
				building event.Rebuilding
				err      error
			}
			all, gate := make(chan begun, builders), make(chan struct{})
			for range builders {
				go func() {
					<-gate
					building, err := m.Consumer.Rebuild(t.Context(), time.Time{})
					all <- begun{building, err}
				}()
			}
			close(gate)
			var first event.Rebuilding
			for range builders {
				b := <-all
				if b.err == nil {
					require.Nil(t, first, "two build at a time")
					first = b.building
					continue
				}
				require.ErrorIs(t, b.err, search.Rebuilding)
			}
			require.NotNil(t, first)
			require.NoError(t, first.Abandon(t.Context()))
		}
	})
}

// Live events reach the index that is being built before the log comes to what was
// before them: that is passed over.
func TestRebuildPassesOverWhatIsOld(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		old := m.shelf.Events(lamp(0))
		m.publish(t, old...)
		m.drain(t)
		building, err := m.Consumer.Rebuild(t.Context(), time.Time{})
		require.NoError(t, err)
		newer := lamp(0)
		newer.Title, newer.Price, newer.Stock = "Newer lamp", 9900, 7
		m.publish(t, m.shelf.Events(newer)...)
		m.drain(t)
		want := m.answers(t)
		log, err := envelopes(old...)
		require.NoError(t, err)
		require.NoError(t, building.Apply(t.Context(), log))
		require.NoError(t, building.Finish(t.Context()))
		require.Equal(t, want, m.answers(t))
		require.Equal(t, "Newer lamp", want[0].Items[0].Title)
	})
}

// What happened since an instant is written again into the index that there is.
func TestReplayFromAnInstantRepairs(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		m.fill(t, 10)
		m.drain(t)
		since := clock.System()
		m.publish(t, m.shelf.Price("lamp-001", 7777, 0), m.shelf.Price("lamp-001", 8888, 0))
		m.drain(t)
		want := m.answers(t)
		require.NoError(t, m.db.Atomic(t.Context(), func(ctx context.Context) error {
			return m.db.Conn(ctx).Exec(`UPDATE documents SET price = 1 WHERE product_id = ?`, searchtest.ID("lamp-001")).Error
		}))
		n, err := m.bus.Replay(t.Context(), "search", since, nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		require.Equal(t, want, m.answers(t))
		require.Equal(t, map[string]int{"live": 1}, m.generations(t))
	})
}

// A process without the logs of the owners cannot build an index: an empty one would
// take the place of what there is.
func TestNoIndexIsBuiltWithoutTheLogs(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		m.fill(t, 10)
		m.drain(t)
		want := m.answers(t)
		for _, has := range [][]string{nil, {"catalog", "pricing"}} {
			part, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
			require.NoError(t, err)
			for _, owner := range has {
				part.Source(m.outbox[owner])
			}
			part.Subscribe(m.Consumer)
			for _, since := range []time.Time{{}, clock.System().Add(-time.Hour)} {
				_, err = part.Replay(t.Context(), "search", since, nil)
				require.ErrorIs(t, err, event.ErrLogAway)
				require.ErrorContains(t, err, "inventory")
				require.Equal(t, want, m.answers(t))
				require.Equal(t, map[string]int{"live": 1}, m.generations(t))
			}
		}
	})
}

// Nothing is lost with the tables: a module that finds none makes them anew and
// reads the log.
func TestDroppedTablesComeBackFromTheLog(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		m := openMarket(t, open)
		m.fill(t, 40)
		stop := m.run(t)
		m.drain(t)
		require.Eventually(t, func() bool { return m.rows(t)["documents"] == 40 }, time.Minute, 10*time.Millisecond)
		stop()
		want := m.answers(t)
		for _, table := range tables(t, m.db) {
			require.NoError(t, m.db.Atomic(t.Context(), func(ctx context.Context) error {
				return m.db.Conn(ctx).Exec(fmt.Sprintf(`DROP TABLE "%s"`, table)).Error
			}))
		}
		require.Empty(t, tables(t, m.db))

		again := openMarket(t, open)
		again.shelf = m.shelf
		again.run(t)
		require.Eventually(t, func() bool { return again.rows(t)["documents"] == 40 }, time.Minute, 10*time.Millisecond)
		again.drain(t)
		require.Equal(t, want, again.answers(t))
		_, err := again.bus.Replay(t.Context(), "search", time.Time{}, nil)
		require.NoError(t, err)
		require.Equal(t, want, again.answers(t))
		again.publish(t, again.shelf.Price("lamp-001", 424242, 0))
		price := int64(424242)
		require.Eventually(t, func() bool {
			return searchtest.MustFind(t, again.Service, search.FindRequest{MinPrice: &price}).Total == 1
		}, time.Minute, 10*time.Millisecond)
	})
}

// tables are all that the module has; those inside an FTS5 table go with it.
func tables(t *testing.T, db *database.DB) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'documents_text_%'`
	if db.Dialect() == database.Postgres {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	}
	var names []string
	require.NoError(t, db.Conn(t.Context()).Raw(query).Scan(&names).Error)
	return names
}
