package saga

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// An operator's command is another process than the one that has the saga in its line:
// that one may begin with it until it looks at its claim, and only then it is undone.
func TestOperatorElsewhereWaitsForTheClaim(t *testing.T) {
	t.Parallel()
	w, now := newWorld(t, testenv.SQLite(t, "test")), clock.NewFake(time.Now())
	d := w.definition()
	open := make(chan struct{})
	for i := range d.Steps {
		d.Steps[i].Deadline = time.Second
	}
	d.Steps[0].Do = func(context.Context, string, *trip) error { <-open; return nil }
	oneWorker(t, w, d, now, open)

	operator := NewEngine(w.db, now.Now, slog.New(slog.DiscardHandler))
	Register(operator, w.definition())
	for _, id := range []string{"works", "waits"} {
		require.NoError(t, operator.Compensate(t.Context(), id))
		info, err := operator.Show(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, Compensating, info.Status)
		require.False(t, info.NextAt.Before(now.Now().Add(defaultLease-time.Millisecond)), "%s is undone at %s, and may be begun at %s", id, info.NextAt, now.Now())
	}
}

// A claim that was half over when its turn came is not held for a whole one where it
// cannot be extended.
func TestClaimIsCountedFromItsBeginning(t *testing.T) {
	t.Parallel()
	const lease = 600 * time.Millisecond
	w, now := newWorld(t, testenv.SQLite(t, "test")), clock.NewFake(time.Now())
	var away atomic.Bool
	var beats atomic.Int64
	require.NoError(t, w.db.Conn(t.Context()).Callback().Raw().Before("*").Register("test:away", func(g *gorm.DB) {
		sql := g.Statement.SQL.String()
		if !away.Load() || !strings.HasPrefix(sql, "UPDATE sagas SET next_at = ? WHERE id") {
			return
		}
		if strings.HasPrefix(sql, "UPDATE sagas SET next_at = ? WHERE id = ? AND") && g.Statement.Vars[1] == "waits" {
			beats.Add(1)
		}
		_ = g.AddError(errors.New("the database is away"))
	}))
	d := w.definition()
	open, lost := make(chan struct{}), make(chan struct{})
	d.Steps[0].Deadline = 10 * patience
	d.Steps[0].Do = func(ctx context.Context, id string, _ *trip) error {
		if id == "works" {
			<-open
			return nil
		}
		<-ctx.Done()
		close(lost)
		return ctx.Err()
	}
	_, release := oneWorker(t, w, d, now, open, Lease(lease))
	away.Store(true)
	now.Advance(lease/2 - time.Millisecond)
	release()
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("it goes on with a claim that has lapsed")
	}
	require.LessOrEqual(t, beats.Load(), int64(2)) // a third of the lease each, of the half that was left
}
