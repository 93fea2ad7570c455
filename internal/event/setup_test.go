package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// counted is what the tests publish: the n-th thing that happened to an aggregate.
type counted struct {
	N int64 `json:"n"`
}

var (
	happened = event.Define[counted]("source.thing", "shop.happened")
	other    = event.Define[counted]("source.thing", "shop.happened_otherwise")
)

const effects = `CREATE TABLE IF NOT EXISTS effects (seq %s, aggregate text NOT NULL, version bigint NOT NULL)`

// shop is one publishing and one consuming module over one cluster.
type shop struct {
	source, target *database.DB
	outbox         *event.Outbox
}

// bundle makes a bus of its own with a consumer that records its effects in the
// target's table; a second bundle of the same shop is a second instance.
type bundle struct {
	shop
	bus      *event.Bus
	consumer *event.Consumer

	mu   sync.Mutex
	fail func(m event.Meta) error // set to make the handler fail
}

func (b *bundle) failing(fn func(m event.Meta) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fn
}

func (s shop) instance(t testing.TB) *bundle {
	t.Helper()
	return s.instanceAt(t, clock.System)
}

// instanceAt is an instance whose consumer goes by a clock of its own.
func (s shop) instanceAt(t testing.TB, now clock.Clock) *bundle {
	t.Helper()
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	b := &bundle{shop: s, bus: bus, consumer: event.NewConsumer(s.target, now)}
	b.outbox = event.NewOutbox(s.source, clock.System, id.V7)
	event.On(b.consumer, happened, func(ctx context.Context, m event.Meta, data counted) error {
		b.mu.Lock()
		fail := b.fail
		b.mu.Unlock()
		if fail != nil {
			if err := fail(m); err != nil {
				return err
			}
		}
		return s.target.Conn(ctx).Exec(`INSERT INTO effects (aggregate, version) VALUES (?, ?)`, m.AggregateID, data.N).Error
	})
	bus.Source(b.outbox)
	bus.Subscribe(b.consumer)
	return b
}

// start runs the tasks until stop, which waits for them.
func (b *bundle) start(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, task := range b.bus.Tasks() {
		group.Go(func() { _ = task.Run(ctx) })
	}
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

func (b *bundle) publish(t testing.TB, aggregate string, versions ...int64) {
	t.Helper()
	events := make([]event.Event, 0, len(versions))
	for _, v := range versions {
		events = append(events, happened.New(aggregate, v, counted{N: v}))
	}
	require.NoError(t, b.source.Atomic(t.Context(), func(ctx context.Context) error {
		return b.outbox.Publish(ctx, events...)
	}))
}

func (b *bundle) drain(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, b.bus.Drain(ctx))
}

// effects of an aggregate in the order in which they happened.
func (s shop) effects(t testing.TB, aggregate string) []int64 {
	t.Helper()
	var versions []int64
	require.NoError(t, s.target.Conn(t.Context()).
		Raw(`SELECT version FROM effects WHERE aggregate = ? ORDER BY seq`, aggregate).Scan(&versions).Error)
	return versions
}

func upTo(n int64) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i) + 1
	}
	return all
}

// each runs a test on SQLite and PostgreSQL.
func each(t *testing.T, fn func(t *testing.T, s shop)) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(module string) *database.DB) {
		fn(t, newShop(t, open))
	})
}

func newShop(t *testing.T, open func(module string) *database.DB) shop {
	t.Helper()
	s := shop{source: open("source"), target: open("target")}
	s.prepare(t)
	return s
}

func (s shop) prepare(t testing.TB) {
	t.Helper()
	require.NoError(t, s.source.Migrate(t.Context(), event.OutboxMigrations(), event.InboxMigrations()))
	require.NoError(t, s.target.Migrate(t.Context(), event.OutboxMigrations(), event.InboxMigrations()))
	seq := "integer PRIMARY KEY AUTOINCREMENT"
	if s.target.Dialect() == database.Postgres {
		seq = "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
	}
	require.NoError(t, s.target.Atomic(t.Context(), func(ctx context.Context) error {
		return s.target.Conn(ctx).Exec(fmt.Sprintf(effects, seq)).Error
	}))
}

// refuse makes the target's database refuse changes of a column of pending events
// where a condition holds, until allow.
func (s shop) refuse(t testing.TB, column, condition string) (allow func()) {
	t.Helper()
	name := "refuse_" + column
	run := func(text string) {
		require.NoError(t, s.target.Atomic(t.Context(), func(ctx context.Context) error { return s.target.Conn(ctx).Exec(text).Error }))
	}
	if s.target.Dialect() == database.Postgres {
		run(fmt.Sprintf(`CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'refused'; END $f$`, name))
		run(fmt.Sprintf(`CREATE TRIGGER %s BEFORE UPDATE OF %s ON inbox_pending FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()`,
			name, column, condition, name))
		return func() { run(fmt.Sprintf(`DROP FUNCTION %s CASCADE`, name)) }
	}
	run(fmt.Sprintf(`CREATE TRIGGER %s BEFORE UPDATE OF %s ON inbox_pending WHEN %s BEGIN SELECT RAISE(ABORT, 'refused'); END`,
		name, column, condition))
	return func() { run(`DROP TRIGGER ` + name) }
}
