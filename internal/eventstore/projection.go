package eventstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// Projection is a read model that is made from the events of all streams. Its
// rows carry a generation: while readers see one, another can be built beside it.
type Projection struct {
	// Name is stable: "balances".
	Name string
	// Schema of its rows. Raise it when what Apply makes of events changes: the rows
	// are then built anew, beside those that serve, by the program that knows how.
	Schema int
	// Apply adds events to the rows of a generation, in the transaction that ctx
	// carries, in which the checkpoint moves too: each event comes exactly once, in
	// order per stream. It must touch nothing but these rows.
	Apply func(ctx context.Context, generation int64, events []Recorded) error
	// Drop deletes up to limit rows of a generation that nobody reads any more, in
	// the transaction that ctx carries, and tells how many it deleted.
	Drop func(ctx context.Context, generation int64, limit int) (int64, error)
}

// State of a generation.
type State string

// The states of a generation.
const (
	Serving  State = "serving"  // readers see it
	Building State = "building" // it catches up, and serves then
	Retired  State = "retired"  // it served, and is deleted soon
)

// generation is one line of the table stream_generations.
type generation struct {
	Name       string `gorm:"primaryKey"`
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	Schema     int
	State      State
	Position   int64
	Applied    int64
	StartedAt  database.Time
	TurnedAt   database.Time
	Failure    string
}

// TableName tells gorm where generations live.
func (generation) TableName() string { return "stream_generations" }

// serving is one line of the table stream_projections.
type serving struct {
	Name       string `gorm:"primaryKey"`
	Generation int64
}

// TableName tells gorm where it is kept which generation serves.
func (serving) TableName() string { return "stream_projections" }

// Serving is a query for the generation of a projection that readers see now. As
// part of the reader's own statement it cannot be out of date:
//
//	db.Conn(ctx).Where("generation = (?)", feed.Serving(ctx, "balances"))
func (f *Feed) Serving(ctx context.Context, name string) *gorm.DB {
	return f.store.db.Conn(ctx).Model(&serving{}).Select("generation").Where("name = ?", name)
}

// Fed is a query for the position up to which the rows that readers see now have
// every event. Who asks for it before, or with, the rows can tell what is lost from
// what is yet to come.
func (f *Feed) Fed(ctx context.Context, name string) *gorm.DB {
	return f.store.db.Conn(ctx).Model(&generation{}).Select("position").Where("name = ? AND state = ?", name, Serving)
}

// all reads the generations, those of one projection together, oldest first.
func (f *Feed) all(ctx context.Context) ([]generation, error) {
	var list []generation
	if err := f.store.db.Conn(ctx).Order("name, generation").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the projections of %s: %w", f.store.db.Module(), err)
	}
	return list, nil
}

// begin adds a generation of a projection: the first serves at once.
func (f *Feed) begin(ctx context.Context, p Projection, old []generation) error {
	now := database.At(f.store.now())
	g := generation{Name: p.Name, Generation: 1, Schema: p.Schema, State: Serving, StartedAt: now, TurnedAt: now}
	for _, o := range old {
		g.Generation, g.State = max(g.Generation, o.Generation+1), Building
	}
	err := f.store.db.Atomic(ctx, func(ctx context.Context) error {
		conn := f.store.db.Conn(ctx)
		if g.State == Serving {
			if err := conn.Clauses(clause.OnConflict{DoNothing: true}).Create(&serving{p.Name, g.Generation}).Error; err != nil {
				return err
			}
		}
		return f.store.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&g).Error
	})
	if err != nil {
		return fmt.Errorf("begin generation %d of projection %s: %w", g.Generation, p.Name, err)
	}
	return nil
}

// Rebuild has the rows of a projection built anew from the first event, beside
// those that serve; a feed does it, here or in another process, and goes on after
// a crash. One that is being rebuilt already goes on as it is. It gives the
// generation that will serve. Codes: NotFound.
func (f *Feed) Rebuild(ctx context.Context, name string) (int64, error) {
	p, ok := f.projection(name)
	if !ok {
		return 0, fault.NotFound.Errorf("no projection is called %q", name)
	}
	for begun := int64(math.MaxInt64); ; { // the least generation that was begun since; it may be built already
		list, err := f.generations(ctx, name)
		if err != nil {
			return 0, err
		}
		newest := int64(0)
		for _, g := range list {
			if g.Schema == p.Schema && (g.State == Building || g.Generation >= begun) {
				return g.Generation, nil
			}
			newest = g.Generation
		}
		if newest > 0 { // the first one serves, and is not it
			begun = min(begun, newest+1)
		}
		if err := f.begin(ctx, p, list); err != nil {
			return 0, err
		}
		f.store.raise()
	}
}

func (f *Feed) generations(ctx context.Context, name string) ([]generation, error) {
	list, err := f.all(ctx)
	var own []generation
	for _, g := range list {
		if g.Name == name {
			own = append(own, g)
		}
	}
	return own, err
}

// Status of one generation of a projection.
type Status struct {
	Module     string    `json:"module"`
	Name       string    `json:"name"`
	Generation int64     `json:"generation"`
	State      State     `json:"state"`
	Schema     int       `json:"schema"`
	Applied    int64     `json:"applied"`     // events
	Lag        int64     `json:"lag"`         // events that it does not have yet
	LagSeconds float64   `json:"lag_seconds"` // since the oldest of them was recorded
	StartedAt  time.Time `json:"started_at"`
	Since      time.Time `json:"since"` // when it got its state
	Failure    string    `json:"failure,omitempty"`
}

// Status tells how far the generations of the projections are, by name.
func (f *Feed) Status(ctx context.Context) ([]Status, error) {
	list, err := f.all(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Status, 0, len(list))
	for _, g := range list {
		s := Status{
			Module: f.store.db.Module(), Name: g.Name, Generation: g.Generation, State: g.State, Schema: g.Schema, Applied: g.Applied,
			StartedAt: g.StartedAt.Time, Since: g.TurnedAt.Time, Failure: g.Failure,
		}
		if g.State != Retired {
			if s.Lag, s.LagSeconds, err = f.lag(ctx, g.Position); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// MostBehind is where Behind stops to count: readers ask it each time.
const MostBehind = 10_000

// Behind tells how many events the rows that readers see do not have yet, MostBehind
// where there are as many or more.
func (f *Feed) Behind(ctx context.Context, name string) (int64, error) {
	var n int64
	err := f.store.db.Conn(ctx).Raw(`SELECT COUNT(*) FROM (SELECT 1 FROM stream_events WHERE position > COALESCE(
		(SELECT position FROM stream_generations WHERE name = ? AND state = 'serving'), 0) LIMIT ?) AS part`, name, MostBehind).Scan(&n).Error
	if err != nil {
		return 0, fmt.Errorf("ask how far projection %s is behind: %w", name, err)
	}
	return n, nil
}

func (f *Feed) lag(ctx context.Context, position int64) (events int64, seconds float64, err error) {
	var found struct {
		Events int64
		Oldest database.Time
	}
	err = f.store.db.Conn(ctx).Raw(`SELECT COUNT(*) AS events,
			(SELECT recorded_at FROM stream_events WHERE position > ? ORDER BY position LIMIT 1) AS oldest
		FROM stream_events WHERE position > ?`, position, position).Scan(&found).Error
	if err != nil {
		return 0, 0, fmt.Errorf("ask how far a projection is behind: %w", err)
	}
	if found.Events > 0 {
		seconds = max(f.store.now().Sub(found.Oldest.Time).Seconds(), 0)
	}
	return found.Events, seconds, nil
}
