package store

import (
	"context"
	"fmt"
	"slices"

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
		{Name: balances, Schema: 1, Apply: s.applyBalances, Drop: s.dropBalances},
		{Name: statements, Schema: 1, Apply: s.applyLines, Drop: s.dropLines},
		{Name: dailies, Schema: 1, Apply: s.applyDays, Drop: s.dropDays},
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

// applyBalances writes each wallet of the batch once.
func (s *Store) applyBalances(ctx context.Context, generation int64, events []eventstore.Recorded) error {
	var before []balanceRow
	if err := s.Conn(ctx).Where("generation = ? AND user_id IN ?", generation, users(events)).Find(&before).Error; err != nil {
		return err
	}
	now := map[string]balanceRow{}
	for _, r := range before {
		now[r.UserID] = r
	}
	for _, e := range events {
		b := now[e.Stream]
		if e.Version != b.Version+1 {
			return fmt.Errorf("balance of %s: version %d follows on %d", e.Stream, e.Version, b.Version)
		}
		l, err := core.LineOf(e, b.Balance, b.Available)
		if err != nil {
			return err
		}
		now[e.Stream] = balanceRow{generation, e.Stream, l.Balance, l.Available, l.Version, database.At(l.At)}
	}
	rows := make([]balanceRow, 0, len(now))
	for _, user := range users(events) {
		rows = append(rows, now[user])
	}
	return s.Conn(ctx).Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&rows, 200).Error
}

// applyLines adds a line for each event. The one before it is in the batch or is
// the last line that is there.
func (s *Store) applyLines(ctx context.Context, generation int64, events []eventstore.Recorded) error {
	type sums struct{ balance, available int64 }
	last := map[string]sums{}
	before, err := s.linesBefore(ctx, generation, events)
	if err != nil {
		return err
	}
	for _, r := range before {
		last[r.UserID] = sums{r.Balance, r.Available}
	}
	rows := make([]lineRow, 0, len(events))
	for _, e := range events {
		was, known := last[e.Stream]
		if !known && e.Version != 1 {
			return fmt.Errorf("statement of %s: version %d follows on nothing", e.Stream, e.Version)
		}
		l, err := core.LineOf(e, was.balance, was.available)
		if err != nil {
			return err
		}
		last[e.Stream] = sums{l.Balance, l.Available}
		rows = append(rows, lineRow{generation, l.UserID, l.Version, l.Type, database.At(l.At), l.Amount, l.Balance, l.Available, l.Reference})
	}
	return s.Conn(ctx).CreateInBatches(&rows, 200).Error
}

// linesBefore gives, for each wallet of the batch, the line before its first event.
func (s *Store) linesBefore(ctx context.Context, generation int64, events []eventstore.Recorded) ([]lineRow, error) {
	var pairs [][]any
	seen := map[string]bool{}
	for _, e := range events {
		if !seen[e.Stream] && e.Version > 1 {
			pairs = append(pairs, []any{e.Stream, e.Version - 1})
		}
		seen[e.Stream] = true
	}
	var found []lineRow
	for part := range slices.Chunk(pairs, 100) {
		var rows []lineRow
		if err := s.Conn(ctx).Where("generation = ? AND (user_id, version) IN ?", generation, part).Find(&rows).Error; err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

// applyDays adds up by day and type.
func (s *Store) applyDays(ctx context.Context, generation int64, events []eventstore.Recorded) error {
	type key struct{ day, kind string }
	sums := map[key]dayRow{}
	var order []key
	for _, e := range events {
		l, err := core.LineOf(e, 0, 0)
		if err != nil {
			return err
		}
		k := key{l.At.UTC().Format("2006-01-02"), l.Type}
		sum, known := sums[k]
		if !known {
			order = append(order, k)
		}
		sums[k] = dayRow{generation, k.day, k.kind, sum.Events + 1, sum.Moved + l.Moved}
	}
	for _, k := range order {
		d := sums[k]
		err := s.Conn(ctx).Exec(`INSERT INTO daily_totals (generation, day, type, events, moved) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (generation, day, type) DO UPDATE SET events = daily_totals.events + excluded.events, moved = daily_totals.moved + excluded.moved`,
			d.Generation, d.Day, d.Type, d.Events, d.Moved).Error
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) dropBalances(ctx context.Context, generation int64, limit int) (int64, error) {
	tx := s.Conn(ctx).Exec(`DELETE FROM balances WHERE generation = ? AND user_id IN
		(SELECT user_id FROM balances WHERE generation = ? ORDER BY user_id LIMIT ?)`, generation, generation, limit)
	return tx.RowsAffected, tx.Error
}

func (s *Store) dropLines(ctx context.Context, generation int64, limit int) (int64, error) {
	tx := s.Conn(ctx).Exec(`DELETE FROM statement_lines WHERE generation = ? AND (user_id, version) IN
		(SELECT user_id, version FROM statement_lines WHERE generation = ? ORDER BY user_id, version LIMIT ?)`, generation, generation, limit)
	return tx.RowsAffected, tx.Error
}

func (s *Store) dropDays(ctx context.Context, generation int64, _ int) (int64, error) {
	tx := s.Conn(ctx).Exec(`DELETE FROM daily_totals WHERE generation = ?`, generation) // some per day
	return tx.RowsAffected, tx.Error
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
