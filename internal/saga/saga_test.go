package saga

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/internal/testenv"
)

func TestCompletes(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		reg := prometheus.NewPedanticRegistry()
		e := w.engine(Metrics(reg))
		s := Register(e, w.definition())
		serve(t, e)
		start(t, w, s, "1")
		require.Equal(t, Completed, wait(t, e, "1"))
		require.Equal(t, []string{"do a", "did a", "do b", "did b", "do c", "did c", "finish"}, w.journal())
		require.Equal(t, end{"1", "finished", ""}, w.ended("1"))
		info := show(t, e, "1")
		require.JSONEq(t, `{"Steps":["a","b","c"]}`, string(info.State))
		require.Len(t, info.History, 4)
		require.EqualValues(t, 1, info.Epoch, "claimed once, at the start")
		require.Empty(t, info.ClaimedBy)

		err := db.Atomic(t.Context(), func(ctx context.Context) error { return s.Start(ctx, "1", trip{}) })
		require.ErrorIs(t, err, gorm.ErrDuplicatedKey)
		require.ErrorIs(t, s.Start(t.Context(), "2", trip{}), database.ErrOutsideAtomic)

		families, err := reg.Gather()
		require.NoError(t, err)
		require.Len(t, families, 4)
	})
}

// For whom there is no room to wait, it is told at once how far it is.
func TestNobodyWaitsInAPlaceOfWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine() // nobody serves: waiting would take for ever
	s := Register(e, w.definition())
	start(t, w, s, "1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	inside, over := resilience.Resting(ctx, func() bool { return false })
	defer over()
	status, err := e.Wait(inside, "1")
	require.NoError(t, err)
	require.Equal(t, Running, status)
}

func TestNothingRunsWithoutTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine()
	s := Register(e, w.definition())
	serve(t, e)
	err := w.db.Atomic(t.Context(), func(ctx context.Context) error {
		require.NoError(t, s.Start(ctx, "1", trip{}))
		return errPlain
	})
	require.ErrorIs(t, err, errPlain)
	start(t, w, s, "2")
	require.Equal(t, Completed, wait(t, e, "2"))
	require.Equal(t, 1, w.count("do a"))
	_, err = e.Wait(t.Context(), "1")
	require.ErrorContains(t, err, "there is no saga 1")
}

func TestContextOfSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	var keys []string
	look := func(ctx context.Context, _ string, _ *trip) error {
		keys = append(keys, port.IdempotencyKeyFrom(ctx).Scope+" "+port.IdempotencyKeyFrom(ctx).Key)
		require.Equal(t, port.System("test"), port.PrincipalFrom(ctx))
		require.Equal(t, parent, telemetry.TraceParent(ctx))
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		require.LessOrEqual(t, time.Until(deadline), time.Minute)
		require.Greater(t, time.Until(deadline), 30*time.Second)
		return nil
	}
	s := Register(e, Definition[trip]{Name: "look", Steps: []Step[trip]{
		{Name: "one", Deadline: time.Minute, Do: look, Undo: look},
		{Name: "two", Do: func(context.Context, string, *trip) error { return declined.Errorf("no") }},
	}})
	serve(t, e)
	require.NoError(t, w.db.Atomic(telemetry.WithTraceParent(t.Context(), parent), func(ctx context.Context) error {
		return s.Start(ctx, "7", trip{})
	}))
	require.Equal(t, Compensated, wait(t, e, "7"))
	require.Equal(t, []string{"saga 7/one", "saga 7/one/undo"}, keys)
}

func TestCompensatesInReverse(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		w.on("did c", func() error { return declined.Errorf("no") })
		e := w.engine()
		s := Register(e, w.definition())
		serve(t, e)
		start(t, w, s, "1")
		require.Equal(t, Compensated, wait(t, e, "1"))
		require.Equal(t, []string{
			"do a", "did a", "do b", "did b", "do c", "did c",
			"undo c", "undid c", "undo b", "undid b", "undo a", "undid a", "fail",
		}, w.journal())
		require.Empty(t, w.held)
		require.Equal(t, end{"1", "failed", "payment.declined"}, w.ended("1"))
		require.Equal(t, "payment.declined", show(t, e, "1").Cause.Code)
	})
}

func TestFinishThatRefusesCompensates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	w.on("finish", func() error { return declined.Errorf("too late") })
	e := w.engine()
	s := Register(e, w.definition())
	serve(t, e)
	start(t, w, s, "1")
	require.Equal(t, Compensated, wait(t, e, "1"))
	require.Empty(t, w.held)
	require.Equal(t, "failed", w.ended("1").How, "what Finish wrote was rolled back")
}

func TestRetries(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		w.on("did a", times(2, errAway))
		w.on("do b", times(1, errPlain))
		w.on("finish", times(1, errAway))
		e := w.engine()
		s := Register(e, w.definition())
		serve(t, e)
		start(t, w, s, "1")
		require.Equal(t, Completed, wait(t, e, "1"))
		require.Equal(t, 3, w.count("do a"))
		require.Equal(t, 2, w.count("do b"))
		require.Equal(t, 1, w.count("do c"))
		require.Equal(t, 2, w.count("finish"))
		require.Nil(t, show(t, e, "1").Cause)

		w.on("do b", func() error { return errSick })
		start(t, w, s, "2")
		require.Equal(t, Compensated, wait(t, e, "2"))
		require.Equal(t, 2+defaultAttempts, w.count("do b"))
		require.Equal(t, "payment.unavailable", w.ended("2").Cause)
	})
}

// Attempts that met nobody are not counted; those that met somebody who cannot are, before
// an outage and after it.
func TestOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	calls := 0
	w.on("do b", func() error {
		switch calls++; {
		case calls <= 4, calls == 10:
			return errSick
		}
		return errAway
	})
	e := w.engine()
	s := Register(e, w.definition())
	serve(t, e)
	start(t, w, s, "1")
	require.Equal(t, Compensated, wait(t, e, "1"))
	require.Equal(t, 10, w.count("do b"))
	require.Equal(t, "payment.unavailable", w.ended("1").Cause)

	w.on("do b", times(defaultAttempts+2, errAway))
	start(t, w, s, "2")
	require.Equal(t, Completed, wait(t, e, "2"))
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	fail := times(1, errPlain)
	w.on("do b", func() error {
		if fail() != nil {
			panic("ouch")
		}
		return nil
	})
	again := times(1, errPlain)
	w.on("finish", func() error {
		if again() != nil {
			panic("ouch")
		}
		return nil
	})
	e := w.engine()
	s := Register(e, w.definition())
	serve(t, e)
	start(t, w, s, "1")
	require.Equal(t, Completed, wait(t, e, "1"))
	require.Equal(t, 2, w.count("do b"))
	require.Equal(t, 2, w.count("finish"))
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testenv.SQLite(t, "test"))
	e := w.engine()
	d := w.definition()
	d.Timeout = 300 * time.Millisecond
	d.Steps[1].Attempts = 1000
	d.Steps[1].Deadline = 20 * time.Millisecond
	d.Steps[1].Do = func(ctx context.Context, _ string, _ *trip) error { <-ctx.Done(); return ctx.Err() }
	s := Register(e, d)
	serve(t, e)
	start(t, w, s, "1")
	require.Equal(t, Compensated, wait(t, e, "1"))
	require.Empty(t, w.held)
	require.Equal(t, Timeout.Name(), w.ended("1").Cause)
	require.Equal(t, 0, w.count("do c"))
}

func TestParksAndGoesOn(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		w.on("do c", func() error { return declined.Errorf("no") })
		w.on("undo b", func() error { return errPlain })
		e := w.engine()
		d := w.definition()
		d.Steps[1].UndoAttempts = 3
		s := Register(e, d)
		serve(t, e)
		start(t, w, s, "1")
		require.Equal(t, Parked, wait(t, e, "1"))
		require.Equal(t, 3, w.count("undo b"))
		require.Equal(t, 0, w.count("undo a"), "not before b is undone")
		info := show(t, e, "1")
		require.Equal(t, "b", info.Step)
		require.Equal(t, "payment.declined", info.Cause.Code)
		require.Contains(t, info.Parked, "undo b failed 3 times")
		require.Contains(t, info.History[len(info.History)-1].Detail, "undo b failed 3 times")

		parked := e.Checks()[0]
		var findings []string
		_, err := parked.Run(t.Context(), func(subject, detail string) { findings = append(findings, subject, detail) })
		require.NoError(t, err)
		require.Len(t, findings, 2)
		require.Equal(t, "saga 1", findings[0])
		require.Contains(t, findings[1], "undo b failed 3 times")
		require.Contains(t, findings[1], "payment.declined")
		listed, err := e.List(t.Context(), Filter{Statuses: []Status{Parked}})
		require.NoError(t, err)
		require.Len(t, listed, 1)
		require.Contains(t, listed[0].Parked, "undo b failed 3 times")
		require.Empty(t, listed[0].History)

		require.ErrorIs(t, e.Compensate(t.Context(), "1"), notNow)
		w.on("undo b", nil)
		require.NoError(t, e.Retry(t.Context(), "1"))
		require.Equal(t, Compensated, wait(t, e, "1"))
		require.Empty(t, w.held)
		require.Equal(t, "payment.declined", w.ended("1").Cause)
		require.Empty(t, show(t, e, "1").Parked)
		require.ErrorIs(t, e.Retry(t.Context(), "1"), notNow)
		n, err := e.Checks()[0].Run(t.Context(), func(string, string) {})
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// An outage of a neighbour is waited for on the way back; for a day, then a person
// should know.
func TestUndoOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		w.on("do c", func() error { return declined.Errorf("no") })
		w.on("undo b", func() error { return fault.Unavailable.Errorf("nobody is there") })
		e := w.engine()
		d := w.definition()
		d.Steps[1].UndoAttempts = 4
		s := Register(e, d)
		serve(t, e)
		set := func(what string, at time.Time) {
			require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
				return db.Conn(ctx).Exec(`UPDATE sagas SET `+what+` = ? WHERE claimed_by = ''`, database.At(at)).Error
			}))
		}
		until := func(so func() bool) {
			require.Eventually(t, func() bool {
				set("next_at", time.Now().Add(-time.Second)) // the pauses are half a minute
				e.poke()
				return so()
			}, patience, 10*time.Millisecond)
		}
		undone := func(times int) func() bool { return func() bool { return w.count("undo b") >= times } }
		start(t, w, s, "1")
		until(undone(10))
		require.Equal(t, Compensating, show(t, e, "1").Status)
		w.on("undo b", nil)
		until(func() bool { return show(t, e, "1").Status == Compensated })

		w.on("undo b", func() error { return fault.Unavailable.Errorf("nobody is there") })
		start(t, w, s, "2")
		until(undone(20))
		require.Equal(t, Compensating, show(t, e, "2").Status)
		until(func() bool {
			set("deadline_at", time.Now().Add(-25*time.Hour)) // unless it is at work just now
			return show(t, e, "2").Status == Parked
		})
	})
}

func TestOperatorCompensatesARunningSaga(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		in := make(chan struct{}, 100)
		e := w.engine(Lease(time.Second)) // undoing begins when nobody can be at work any more
		d := w.definition()
		d.Steps[1].Do = func(ctx context.Context, _ string, _ *trip) error {
			in <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		for i := range d.Steps {
			d.Steps[i].Deadline = time.Second
		}
		s := Register(e, d)
		serve(t, e)
		start(t, w, s, "1")
		<-in
		require.NoError(t, e.Compensate(t.Context(), "1"))
		require.Equal(t, Compensated, wait(t, e, "1"))
		require.Empty(t, w.held)
		require.Equal(t, Stopped.Name(), w.ended("1").Cause)
		require.ErrorIs(t, e.Compensate(t.Context(), "1"), notNow)
	})
}
