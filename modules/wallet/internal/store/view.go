package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
)

// served are the lines of a wallet that readers see now.
func (s *Store) served(ctx context.Context, userID string) *gorm.DB {
	return s.Conn(ctx).Where("generation = (?) AND user_id = ?", s.feed.Serving(ctx, statements), userID)
}

// LastLine implements core.Views.
func (s *Store) LastLine(ctx context.Context, userID string, before time.Time) (core.Line, error) {
	return lastOf(s.served(ctx, userID).Where("at < ?", database.At(before)), userID)
}

// NewestLine implements core.Books.
func (s *Store) NewestLine(ctx context.Context, userID string) (core.Line, error) {
	return lastOf(s.served(ctx, userID), userID)
}

func lastOf(q *gorm.DB, userID string) (core.Line, error) {
	var rows []lineRow
	if err := q.Order("version DESC").Limit(1).Find(&rows).Error; err != nil {
		return core.Line{}, fmt.Errorf("read the statement of %s: %w", userID, err)
	}
	if len(rows) == 0 {
		return core.Line{}, nil
	}
	return rows[0].line(), nil
}

// Lines implements core.Views.
func (s *Store) Lines(ctx context.Context, userID string, from, until time.Time, after int64, limit int) ([]core.Line, error) {
	var rows []lineRow
	q := s.served(ctx, userID).Where("version > ? AND at < ?", after, database.At(until))
	if !from.IsZero() {
		q = q.Where("at >= ?", database.At(from))
	}
	if err := q.Order("version").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read the statement of %s: %w", userID, err)
	}
	lines := make([]core.Line, len(rows))
	for i, r := range rows {
		lines[i] = r.line()
	}
	return lines, nil
}

func (r lineRow) line() core.Line {
	return core.Line{
		UserID: r.UserID, Version: r.Version, Type: r.Type, At: r.At.Time, Amount: r.Amount,
		Balance: r.Balance, Available: r.Available, Reference: r.Reference,
	}
}

// Behind implements core.Views.
func (s *Store) Behind(ctx context.Context) (int64, error) { return s.feed.Behind(ctx, statements) }

// Balance implements core.Books.
func (s *Store) Balance(ctx context.Context, userID string) (core.Line, error) {
	var rows []balanceRow
	err := s.Conn(ctx).Where("generation = (?) AND user_id = ?", s.feed.Serving(ctx, balances), userID).Limit(1).Find(&rows).Error
	if err != nil {
		return core.Line{}, fmt.Errorf("read the balance of %s: %w", userID, err)
	}
	if len(rows) == 0 {
		return core.Line{}, nil
	}
	r := rows[0]
	return core.Line{UserID: r.UserID, Version: r.Version, At: r.UpdatedAt.Time, Balance: r.Balance, Available: r.Available}, nil
}

// Totals implements core.Books, in one statement. Both projections are fed in one
// order, so those that know as many events know the same ones.
func (s *Store) Totals(ctx context.Context) (moved, sum int64, settled bool, err error) {
	var totals struct{ Moved, Events, Sum, Versions int64 }
	err = s.Conn(ctx).Raw(`SELECT
		CAST(COALESCE((SELECT SUM(moved) FROM daily_totals WHERE generation = (?)), 0) AS bigint) AS moved,
		CAST(COALESCE((SELECT SUM(events) FROM daily_totals WHERE generation = (?)), 0) AS bigint) AS events,
		CAST(COALESCE((SELECT SUM(balance) FROM balances WHERE generation = (?)), 0) AS bigint) AS sum,
		CAST(COALESCE((SELECT SUM(version) FROM balances WHERE generation = (?)), 0) AS bigint) AS versions`,
		s.feed.Serving(ctx, dailies), s.feed.Serving(ctx, dailies), s.feed.Serving(ctx, balances), s.feed.Serving(ctx, balances)).Scan(&totals).Error
	if err != nil {
		return 0, 0, false, fmt.Errorf("add up all wallets: %w", err)
	}
	return totals.Moved, totals.Sum, totals.Events == totals.Versions, nil
}
