package database_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
)

const patience = 2 * time.Minute

// told gives what do says, which has no deadline.
func told(t *testing.T, do func() error) (err error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err = <-done:
	case <-time.After(patience):
		require.FailNow(t, "it waits for a server that says nothing")
	}
	return err
}

// A server whose machine vanished closes nothing. Nobody waits for it for ever, with a
// deadline or without, and new connections are made.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	line := testenv.NewLine(t, testenv.PostgresURL(t))
	db, err := testenv.Open(t, database.Config{URL: line.URL, Silence: 3 * time.Second}).Module(t.Context(), "test", 9)
	require.NoError(t, err)
	withNotes(t, db)
	ctx := t.Context()
	silent := func(write func(ctx context.Context) error) error {
		for {
			muted := false
			err := told(t, func() error {
				return db.Atomic(ctx, func(ctx context.Context) error {
					if err := insert(ctx, db, note{ID: id.V7()}); err != nil {
						return err // one of those that fell silent before
					}
					line.Mute()
					muted = true
					return write(ctx)
				})
			})
			if muted {
				return err
			}
			require.ErrorIs(t, err, fault.Unavailable)
		}
	}
	for name, write := range map[string]func(ctx context.Context) error{
		"a statement": func(ctx context.Context) error { return insert(ctx, db, note{ID: "b"}) },
		"a read":      func(ctx context.Context) error { return db.Conn(ctx).Find(new([]note)).Error },
	} {
		err := silent(write)
		require.ErrorIs(t, err, fault.Unavailable, name)
		require.NotErrorIs(t, err, database.ErrUnknownOutcome, name)
		require.True(t, database.Disconnected(err), name)
	}
	for name, write := range map[string]func(ctx context.Context) error{
		"the last":   func(ctx context.Context) error { return db.Last(ctx).Create(&note{ID: "c"}).Error },
		"the commit": func(context.Context) error { return nil },
	} {
		err := silent(write)
		require.ErrorIs(t, err, fault.Unavailable, name)
		require.ErrorIs(t, err, database.ErrUnknownOutcome, name)
		require.True(t, database.Disconnected(err), name)
	}
	require.Eventually(t, func() bool { return db.Ping(ctx) == nil }, patience, time.Millisecond)
	require.NoError(t, told(t, func() error {
		return db.Atomic(ctx, func(ctx context.Context) error { return insert(ctx, db, note{ID: "d"}) })
	}))
}

// What goes with the commit is given up as a commit is, however long statements may take.
func TestSilentLastStatementIsGivenUpAsACommit(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(ctx context.Context, db *database.DB) error{
		"written": func(ctx context.Context, db *database.DB) error { return db.Last(ctx).Create(&note{ID: "a"}).Error },
		"read": func(ctx context.Context, db *database.DB) error {
			var n []int64
			return db.Last(ctx).Raw("INSERT INTO notes (id, text, n) VALUES ('b', '', 7) RETURNING n").Scan(&n).Error
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := testenv.NewLine(t, testenv.PostgresURL(t))
			db, err := testenv.Open(t, database.Config{URL: line.URL, Silence: time.Hour}).Module(t.Context(), "test", 9)
			require.NoError(t, err)
			withNotes(t, db)
			err = told(t, func() error {
				return db.Atomic(t.Context(), func(ctx context.Context) error {
					require.NoError(t, db.Conn(ctx).Find(new([]note)).Error)
					line.Mute()
					return last(ctx, db)
				})
			})
			require.ErrorIs(t, err, database.ErrUnknownOutcome)
			require.ErrorIs(t, err, fault.Unavailable)
			require.True(t, database.Disconnected(err))
		})
	}
}
