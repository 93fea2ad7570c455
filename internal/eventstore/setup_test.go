package eventstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/testenv"
)

const patience = time.Minute

// A purse is the state under test: what was put in less what was taken out.
type purse struct {
	Coins int64 `json:"coins"`
}

type filled struct {
	Coins int64 `json:"coins"`
}

type emptied struct {
	Coins int64  `json:"coins"`
	Why   string `json:"why"`
}

var errPoor = errors.New("not enough coins")

func kinds() []eventstore.Kind {
	return []eventstore.Kind{eventstore.Type[filled]("purse.filled"), eventstore.Type[emptied]("purse.emptied")}
}

func fold(every int) eventstore.Fold[purse] {
	return eventstore.Fold[purse]{Schema: 1, Every: every, Apply: func(p purse, r eventstore.Recorded) (purse, error) {
		switch e := r.Event.(type) {
		case filled:
			p.Coins += e.Coins
		case emptied:
			p.Coins -= e.Coins
		default:
			return p, fmt.Errorf("a purse does not know %T", e)
		}
		return p, nil
	}}
}

// bundle is one instance of a module that keeps purses; a second one over the
// same database is a second instance.
type bundle struct {
	db     *database.DB
	store  *eventstore.Store
	purses *eventstore.Streams[purse]
	outbox *event.Outbox
}

var told = event.Define[purse]("test.purse", "test.purse_changed")

func instance(t testing.TB, db *database.DB, now clock.Clock, every int) *bundle {
	t.Helper()
	types, err := eventstore.NewRegistry(kinds()...)
	require.NoError(t, err)
	store := eventstore.New(db, types, now, slog.New(slog.DiscardHandler))
	return &bundle{db: db, store: store, purses: eventstore.Of(store, fold(every)), outbox: event.NewOutbox(db, now, id.V7)}
}

func prepare(t testing.TB, db *database.DB) {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), eventstore.Migrations(), event.OutboxMigrations()))
}

// each runs a test on SQLite and PostgreSQL.
func each(t *testing.T, fn func(t *testing.T, b *bundle)) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		prepare(t, db)
		fn(t, instance(t, db, clock.System, 10))
	})
}

// publish tells others of the new state, in the same transaction.
func (b *bundle) publish(ctx context.Context, c eventstore.Change[purse]) error {
	return b.outbox.Publish(ctx, told.New(c.Recorded[0].Stream, c.Head.Version, c.State))
}

func (b *bundle) fill(ctx context.Context, stream, command string, coins int64) (eventstore.Change[purse], error) {
	return b.purses.Change(ctx, stream, command, func(eventstore.Loaded[purse]) ([]any, error) {
		return []any{filled{coins}}, nil
	}, b.publish)
}

func (b *bundle) empty(ctx context.Context, stream, command string, coins int64) (eventstore.Change[purse], error) {
	return b.purses.Change(ctx, stream, command, func(l eventstore.Loaded[purse]) ([]any, error) {
		if l.State.Coins < coins {
			return nil, errPoor
		}
		return []any{emptied{coins, "test"}}, nil
	}, b.publish)
}

func (b *bundle) mustFill(t testing.TB, stream string, times int) {
	t.Helper()
	for range times {
		_, err := b.fill(t.Context(), stream, "", 1)
		require.NoError(t, err)
	}
}

// bulk appends n events of one coin in few transactions.
func (b *bundle) bulk(t testing.TB, stream string, n int) {
	t.Helper()
	l, err := b.purses.Load(t.Context(), stream)
	require.NoError(t, err)
	head := l.Head
	for left := n; left > 0; left -= 1000 {
		events := make([]any, min(left, 1000))
		for i := range events {
			events[i] = filled{1}
		}
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			recorded, err := b.store.Append(ctx, stream, head, "", events...)
			if err == nil {
				head = recorded[len(recorded)-1].Head()
			}
			return err
		}))
	}
}

func (b *bundle) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error { return b.db.Conn(ctx).Exec(sql, args...).Error }))
}

func (b *bundle) count(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	require.NoError(t, b.db.Conn(t.Context()).Raw(sql, args...).Scan(&n).Error)
	return n
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// replay folds one stream from its first event.
func (b *bundle) replay(ctx context.Context, stream string) (folded eventstore.Loaded[purse], err error) {
	broken := err
	err = b.purses.Walk(ctx, stream, stream, eventstore.Visitor[purse]{
		Event:  func(eventstore.Recorded, purse) {},
		End:    func(_ string, l eventstore.Loaded[purse]) error { folded = l; return nil },
		Broken: func(_ string, why error) { broken = why },
	})
	return folded, errors.Join(err, broken)
}

// run runs a task until stop, which waits for its end, or the end of the test.
func (b *bundle) run(t testing.TB, task run.Task) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- task.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}
