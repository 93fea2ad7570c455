package eventstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/run"
)

const (
	batchSize  = 500                    // events of one transaction
	pollEvery  = time.Second            // for events of other processes, and for wishes to rebuild
	waitForTx  = 10 * time.Millisecond  // for writers that hold events back
	firstRetry = 200 * time.Millisecond // upper end, then doubled
	lastRetry  = 30 * time.Second
	// grace is how long rows are kept that served, for readers that began before.
	grace = time.Minute
)

// Feed brings the events of a store to its projections, each in order and exactly
// once. Every instance of a module runs one; the one that holds the lease works.
type Feed struct {
	store       *Store
	projections []Projection
	metrics     *feedMetrics
	grace       time.Duration

	// Of the task, while it runs.
	lease  lease
	reader *Reader
	trials map[trial]*retry
}

// trial is a generation that may have to be tried again.
type trial struct {
	name       string
	generation int64
}

type retry struct {
	failures int
	next     time.Time
}

// FeedOption sets a property of a feed.
type FeedOption func(*Feed)

// Metrics counts on reg.
func Metrics(reg prometheus.Registerer) FeedOption {
	return func(f *Feed) { f.metrics = newFeedMetrics(reg) }
}

// Grace is how long rows are kept that no longer serve; one minute unless set.
func Grace(d time.Duration) FeedOption { return func(f *Feed) { f.grace = d } }

// NewFeed makes the feed of a store's projections; their names must differ.
func NewFeed(store *Store, projections []Projection, options ...FeedOption) *Feed {
	f := &Feed{store: store, projections: projections, grace: grace}
	for _, option := range options {
		option(f)
	}
	return f
}

// Module whose projections they are.
func (f *Feed) Module() string { return f.store.db.Module() }

// Names of the projections, in the order in which they were given.
func (f *Feed) Names() []string {
	names := make([]string, len(f.projections))
	for i, p := range f.projections {
		names[i] = p.Name
	}
	return names
}

func (f *Feed) projection(name string) (Projection, bool) {
	i := slices.IndexFunc(f.projections, func(p Projection) bool { return p.Name == name })
	if i < 0 {
		return Projection{}, false
	}
	return f.projections[i], true
}

// Task feeds until its context ends. One task of a feed runs at a time.
func (f *Feed) Task() run.Task {
	return run.Task{Name: "projections of " + f.Module(), Run: f.run}
}

func (f *Feed) run(ctx context.Context) error {
	f.lease = lease{db: f.store.db, holder: id.V7()}
	for ctx.Err() == nil {
		held, err := f.lease.take(ctx)
		if err == nil && held {
			f.reader, f.trials = f.store.Reader(), map[trial]*retry{}
			err = f.hold(ctx)
			f.metrics.idle(f.Names())
		}
		if err != nil && ctx.Err() == nil {
			f.store.log.WarnContext(ctx, "feed projections", "module", f.Module(), "error", err)
		}
		f.wait(ctx, pollEvery, nil)
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := f.lease.free(limited); err != nil {
		f.store.log.WarnContext(ctx, "give the projections to the next one", "module", f.Module(), "error", err)
	}
	return nil
}

// hold feeds while the lease is held; losing it is no error.
func (f *Feed) hold(ctx context.Context) error {
	for ctx.Err() == nil {
		more, waiting, err := f.pass(ctx)
		if errors.Is(err, errLost) {
			f.store.log.InfoContext(ctx, "another process feeds the projections now", "module", f.Module())
			return nil
		}
		switch {
		case err != nil && time.Now().After(f.lease.until):
			return err
		case err != nil:
			f.reader = f.store.Reader() // the database may be another one by now
			f.store.log.WarnContext(ctx, "feed projections", "module", f.Module(), "error", err)
			f.wait(ctx, firstRetry, nil)
		case more:
		case waiting:
			f.wait(ctx, waitForTx, nil)
		default:
			f.wait(ctx, pollEvery, f.store.wake)
		}
	}
	return nil
}

func (f *Feed) wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// pass gives each generation that is behind one batch, so that a long rebuild
// does not hold up the ones that serve.
func (f *Feed) pass(ctx context.Context) (more, waiting bool, err error) {
	if err := f.lease.keep(ctx); err != nil {
		return false, false, err
	}
	safe, waiting, err := f.reader.Look(ctx)
	if err != nil {
		return false, false, err
	}
	list, err := f.all(ctx)
	if err != nil {
		return false, false, err
	}
	pages := map[int64][]Recorded{}
	for _, p := range f.projections {
		own := slices.DeleteFunc(slices.Clone(list), func(g generation) bool { return g.Name != p.Name })
		known := slices.ContainsFunc(own, func(g generation) bool { return g.State != Retired && g.Schema == p.Schema })
		if !known {
			if err := f.begin(ctx, p, own); err != nil {
				return false, false, err
			}
			more = true
			continue
		}
		for _, g := range own {
			again, err := f.tend(ctx, p, g, own, safe, pages)
			if errors.Is(err, errLost) || ctx.Err() != nil {
				return false, false, errors.Join(err, ctx.Err())
			}
			more = more || again
		}
	}
	return more, waiting, nil
}

// tend does the next thing for a generation; what goes wrong is tried again later
// and holds up no other.
func (f *Feed) tend(ctx context.Context, p Projection, g generation, own []generation, safe int64, pages map[int64][]Recorded) (more bool, err error) {
	key := trial{g.Name, g.Generation}
	r := f.trials[key]
	if r != nil && time.Now().Before(r.next) {
		return false, nil
	}
	switch {
	case g.State == Retired:
		more, err = f.drop(ctx, p, g)
	case g.Schema != p.Schema: // that of another version of the program, which knows how
	default:
		// One that was built turns as soon as it has what was there at the beginning
		// of the pass: where others write all the time, it never has all. A new reader
		// knows nothing of what was there while somebody is writing.
		if g.Position < safe {
			more, err = f.step(ctx, p, &g, pages)
		}
		if err == nil && g.State == Building && f.reader.known && g.Position >= safe {
			more, err = f.turn(ctx, g, own)
		}
	}
	if g.State == Serving && g.Schema == p.Schema && err == nil {
		f.observe(ctx, g)
	}
	if err == nil || errors.Is(err, errLost) || ctx.Err() != nil {
		delete(f.trials, key)
		return more, err
	}
	if r == nil {
		r = &retry{}
		f.trials[key] = r
	}
	r.failures++
	r.next = time.Now().Add(rand.N(min(firstRetry<<min(r.failures-1, 16), lastRetry)))
	f.store.log.WarnContext(ctx, "a projection does not go on", "module", f.Module(), "projection", g.Name, "generation", g.Generation, "error", err)
	f.metrics.fail(g.Name)
	f.note(ctx, g, err)
	return false, err
}

// errMoved tells that a batch was not applied, and is to be read again.
var errMoved = errors.New("the projection is elsewhere, or the database has lost events that were read")

// step applies one batch: the checkpoint moves in the transaction of the rows, only
// from where it was, and only where what was read is there, up to the end that the
// reader saw: a failover may have come in between.
func (f *Feed) step(ctx context.Context, p Projection, g *generation, pages map[int64][]Recorded) (more bool, err error) {
	events, read := pages[g.Position]
	if !read {
		if events, err = f.reader.Next(ctx, g.Position, batchSize); err != nil {
			return false, err
		}
		pages[g.Position] = events
	}
	if len(events) == 0 { // positions up to here were drawn by transactions that were undone
		return false, nil
	}
	last := events[len(events)-1].Position
	err = f.store.db.Atomic(ctx, func(ctx context.Context) error {
		if err := f.lease.check(ctx); err != nil {
			return err
		}
		tx := f.store.db.Conn(ctx).Exec(`UPDATE stream_generations SET position = ?, applied = applied + ?, failure = ''
			WHERE name = ? AND generation = ? AND position = ? AND state = ?
				AND EXISTS (SELECT 1 FROM stream_events WHERE position = ? AND seal = ?)
				AND (SELECT COUNT(*) FROM stream_events WHERE position > ? AND position <= ?) = ?`,
			last, len(events), g.Name, g.Generation, g.Position, g.State,
			f.reader.end.position, f.reader.end.seal, g.Position, last, len(events))
		if tx.Error != nil {
			return tx.Error
		}
		if tx.RowsAffected != 1 {
			return errMoved
		}
		return p.Apply(ctx, g.Generation, events)
	})
	if err != nil {
		return false, fmt.Errorf("apply events up to position %d: %w", last, err)
	}
	f.metrics.apply(g.Name, len(events))
	g.Position, g.Applied = last, g.Applied+int64(len(events))
	return true, nil
}

// observe tells how far the rows that readers see are behind.
func (f *Feed) observe(ctx context.Context, g generation) {
	if !f.metrics.due(g.Name) {
		return
	}
	var now generation
	err := f.store.db.Conn(ctx).Where("name = ? AND generation = ?", g.Name, g.Generation).Take(&now).Error
	if err != nil {
		return
	}
	if events, seconds, err := f.lag(ctx, now.Position); err == nil {
		f.metrics.lag(g.Name, events, seconds)
	}
}

// note keeps with the generation why it does not go on, for whoever asks.
func (f *Feed) note(ctx context.Context, g generation, cause error) {
	err := f.store.db.Atomic(ctx, func(ctx context.Context) error {
		return f.store.db.Conn(ctx).Exec(`UPDATE stream_generations SET failure = ? WHERE name = ? AND generation = ?`,
			cause.Error(), g.Name, g.Generation).Error
	})
	if err != nil {
		f.store.log.WarnContext(ctx, "note why a projection does not go on", "module", f.Module(), "error", err)
	}
}

// CaughtUp waits until all rows that readers see have the events that were there
// when it was called; some feed must be at work.
func (f *Feed) CaughtUp(ctx context.Context) error {
	var want int64
	if err := f.store.db.Conn(ctx).Raw(newest).Scan(&want).Error; err != nil {
		return fmt.Errorf("look how far the streams are: %w", err)
	}
	for {
		var behind int64
		err := f.store.db.Conn(ctx).Raw(`SELECT COUNT(*) FROM stream_events WHERE position <= ? AND position > COALESCE(
			(SELECT MIN(position) FROM stream_generations WHERE state = 'serving' AND name IN ?), 0)`, want, f.Names()).Scan(&behind).Error
		if err != nil {
			return fmt.Errorf("ask how far projections are: %w", err)
		}
		if behind == 0 {
			return nil
		}
		f.wait(ctx, 20*time.Millisecond, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
