package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
)

// The projections. Raise a schema when its rows come to mean something else.
const (
	balances   = "balances"
	statements = "statements"
	dailies    = "daily"
)

func (s *Store) projections() []eventstore.Projection {
	return []eventstore.Projection{
		{Name: balances, Schema: 1, Apply: s.applyBalances, Drop: s.drop(dropBalances)},
		{Name: statements, Schema: 1, Apply: s.applyLines, Drop: s.drop(dropLines)},
		{Name: dailies, Schema: 1, Apply: s.applyDays, Drop: s.drop(dropDays)},
	}
}

type balanceRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	UserID     string `gorm:"primaryKey"`
	Balance    int64
	Available  int64
	Version    int64
	UpdatedAt  database.Time `gorm:"autoUpdateTime:false"`
}

// TableName tells gorm where balances live.
func (balanceRow) TableName() string { return "balances" }

// lineRow is an event as it is read in a statement.
type lineRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	UserID     string `gorm:"primaryKey"`
	Version    int64  `gorm:"primaryKey;autoIncrement:false"`
	Type       string
	At         database.Time
	Amount     int64
	Balance    int64
	Available  int64
	Reference  string
}

// TableName tells gorm where the lines of statements live.
func (lineRow) TableName() string { return "statement_lines" }

type dayRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	Day        string `gorm:"primaryKey"`
	Type       string `gorm:"primaryKey"`
	Events     int64
	Moved      int64
}

// TableName tells gorm where daily totals live.
func (dayRow) TableName() string { return "daily_totals" }

// lines tells what events did, each wallet from the line before its first.
func lines(events []eventstore.Recorded, last map[string]core.Line) ([]core.Line, error) {
	made := make([]core.Line, len(events))
	for i, e := range events {
		was := last[e.Stream]
		if e.Version != was.Version+1 {
			return nil, fmt.Errorf("wallet %s: version %d follows on %d", e.Stream, e.Version, was.Version)
		}
		l, err := core.LineOf(e, was.Balance, was.Available)
		if err != nil {
			return nil, err
		}
		made[i], last[e.Stream] = l, l
	}
	return made, nil
}

// applyBalances writes each wallet of the batch once.
func (s *Store) applyBalances(ctx context.Context, generation int64, events []eventstore.Recorded) error {
	var before []balanceRow
	of := users(events)
	if err := s.Conn(ctx).Where("generation = ? AND user_id IN ?", generation, of).Find(&before).Error; err != nil {
		return err
	}
	last := map[string]core.Line{}
	for _, r := range before {
		last[r.UserID] = r.line()
	}
	if _, err := lines(events, last); err != nil {
		return err
	}
	rows := make([]balanceRow, len(of))
	for i, user := range of {
		l := last[user]
		rows[i] = balanceRow{generation, user, l.Balance, l.Available, l.Version, database.At(l.At)}
	}
	return s.Conn(ctx).Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&rows, 200).Error
}

// applyLines adds a line for each event.
func (s *Store) applyLines(ctx context.Context, generation int64, events []eventstore.Recorded) error {
	last, err := s.linesBefore(ctx, generation, events)
	if err != nil {
		return err
	}
	made, err := lines(events, last)
	if err != nil {
		return err
	}
	rows := make([]lineRow, len(made))
	for i, l := range made {
		rows[i] = lineRow{generation, l.UserID, l.Version, l.Type, database.At(l.At), l.Amount, l.Balance, l.Available, l.Reference}
	}
	return s.Conn(ctx).CreateInBatches(&rows, 200).Error
}

// linesBefore gives, for each wallet of the batch, the line before its first event.
func (s *Store) linesBefore(ctx context.Context, generation int64, events []eventstore.Recorded) (map[string]core.Line, error) {
	var pairs [][]any
	seen := map[string]bool{}
	for _, e := range events {
		if !seen[e.Stream] && e.Version > 1 {
			pairs = append(pairs, []any{e.Stream, e.Version - 1})
		}
		seen[e.Stream] = true
	}
	last := map[string]core.Line{}
	for part := range slices.Chunk(pairs, 100) {
		var rows []lineRow
		if err := s.Conn(ctx).Where("generation = ? AND (user_id, version) IN ?", generation, part).Find(&rows).Error; err != nil {
			return nil, err
		}
		for _, r := range rows {
			last[r.UserID] = r.line()
		}
	}
	return last, nil
}

// applyDays adds up by day and type.
func (s *Store) applyDays(ctx context.Context, generation int64, events []eventstore.Recorded) error {
	type key struct{ day, kind string }
	at := map[key]int{}
	var rows []dayRow
	for _, e := range events {
		l, err := core.LineOf(e, 0, 0)
		if err != nil {
			return err
		}
		k := key{l.At.UTC().Format(time.DateOnly), l.Type}
		if _, known := at[k]; !known {
			at[k] = len(rows)
			rows = append(rows, dayRow{Generation: generation, Day: k.day, Type: k.kind})
		}
		rows[at[k]].Events++
		rows[at[k]].Moved += l.Moved
	}
	return s.Conn(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "generation"}, {Name: "day"}, {Name: "type"}},
		DoUpdates: clause.Assignments(map[string]any{
			"events": gorm.Expr("daily_totals.events + excluded.events"), "moved": gorm.Expr("daily_totals.moved + excluded.moved"),
		}),
	}).CreateInBatches(&rows, 200).Error
}

// Rows of a generation that nobody reads any more go in parts.
const (
	dropBalances = `DELETE FROM balances WHERE generation = ? AND user_id IN
		(SELECT user_id FROM balances WHERE generation = ? ORDER BY user_id LIMIT ?)`
	dropLines = `DELETE FROM statement_lines WHERE generation = ? AND (user_id, version) IN
		(SELECT user_id, version FROM statement_lines WHERE generation = ? ORDER BY user_id, version LIMIT ?)`
	dropDays = `DELETE FROM daily_totals WHERE generation = ? AND (day, type) IN
		(SELECT day, type FROM daily_totals WHERE generation = ? ORDER BY day, type LIMIT ?)`
)

func (s *Store) drop(part string) func(ctx context.Context, generation int64, limit int) (int64, error) {
	return func(ctx context.Context, generation int64, limit int) (int64, error) {
		tx := s.Conn(ctx).Exec(part, generation, generation, limit)
		return tx.RowsAffected, tx.Error
	}
}

// users names the wallets of a batch, each once, in order: rows are then locked in
// the same order by everybody.
func users(events []eventstore.Recorded) []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.Stream
	}
	slices.Sort(names)
	return slices.Compact(names)
}
