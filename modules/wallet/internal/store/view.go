package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
)

// partOfPeriod is a line and where in a period it stands.
type partOfPeriod struct {
	Part string
	Line lineRow `gorm:"embedded"`
}

// Period implements core.Views. It is one statement, so that what moved is always
// what lies between both ends, also while lines are added or made anew.
func (s *Store) Period(ctx context.Context, userID string, from, until time.Time, after int64, limit int) (core.Period, error) {
	opens, ends := database.At(from), database.At(until)
	var rows []partOfPeriod
	err := s.Conn(ctx).Raw(`WITH own AS (SELECT * FROM statement_lines WHERE generation = (?) AND user_id = ?)
		SELECT * FROM (SELECT 'opening' AS part, own.* FROM own WHERE at < ? ORDER BY version DESC LIMIT 1) AS opening
		UNION ALL SELECT * FROM (SELECT 'closing' AS part, own.* FROM own WHERE at < ? ORDER BY version DESC LIMIT 1) AS closing
		UNION ALL SELECT * FROM (SELECT 'line' AS part, own.* FROM own WHERE version > ? AND at >= ? AND at < ? ORDER BY version LIMIT ?) AS lines`,
		s.feed.Serving(ctx, statements), userID, opens, ends, after, opens, ends, limit).Scan(&rows).Error
	if err != nil {
		return core.Period{}, fmt.Errorf("read the statement of %s: %w", userID, err)
	}
	var p core.Period
	for _, r := range rows {
		switch r.Part {
		case "opening":
			p.Opening = r.Line.line()
		case "closing":
			p.Closing = r.Line.line()
		default:
			p.Lines = append(p.Lines, r.Line.line())
		}
	}
	slices.SortFunc(p.Lines, func(a, b core.Line) int { return cmp.Compare(a.Version, b.Version) }) // a union comes in any order
	return p, nil
}

func (r lineRow) line() core.Line {
	return core.Line{
		UserID: r.UserID, Version: r.Version, Type: r.Type, At: r.At.Time, Amount: r.Amount,
		Balance: r.Balance, Available: r.Available, Reference: r.Reference,
	}
}

// Behind implements core.Views.
func (s *Store) Behind(ctx context.Context) (int64, error) { return s.feed.Behind(ctx, statements) }

// Balances implements core.Books.
func (s *Store) Balances(ctx context.Context, users []string) (map[string]core.Line, error) {
	var rows []balanceRow
	err := s.Conn(ctx).Where("generation = (?) AND user_id IN ?", s.feed.Serving(ctx, balances), users).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	lines := make(map[string]core.Line, len(rows))
	for _, r := range rows {
		lines[r.UserID] = r.line()
	}
	return lines, nil
}

func (r balanceRow) line() core.Line {
	return core.Line{UserID: r.UserID, Version: r.Version, At: r.UpdatedAt.Time, Balance: r.Balance, Available: r.Available}
}

// NewestLines implements core.Books.
func (s *Store) NewestLines(ctx context.Context, users []string) (map[string]core.Line, error) {
	var rows []lineRow
	err := s.Conn(ctx).Raw(`SELECT l.* FROM statement_lines AS l JOIN (
			SELECT generation, user_id, MAX(version) AS version FROM statement_lines WHERE generation = (?) AND user_id IN ? GROUP BY generation, user_id
		) AS newest ON l.generation = newest.generation AND l.user_id = newest.user_id AND l.version = newest.version`,
		s.feed.Serving(ctx, statements), users).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read the ends of statements: %w", err)
	}
	lines := make(map[string]core.Line, len(rows))
	for _, r := range rows {
		lines[r.UserID] = r.line()
	}
	return lines, nil
}

// Fed implements core.Books.
func (s *Store) Fed(ctx context.Context, projection string) (int64, error) {
	var position int64
	if err := s.feed.Fed(ctx, projection).Scan(&position).Error; err != nil {
		return 0, fmt.Errorf("ask how far the projection of %s is: %w", projection, err)
	}
	return position, nil
}

// Totals implements core.Books, in one statement.
func (s *Store) Totals(ctx context.Context) (core.Totals, error) {
	var totals struct {
		core.Totals
		DailyFed, BalancesFed int64
	}
	err := s.Conn(ctx).Raw(`SELECT
		CAST(COALESCE((SELECT SUM(moved) FROM daily_totals WHERE generation = (?)), 0) AS bigint) AS moved,
		CAST(COALESCE((SELECT SUM(events) FROM daily_totals WHERE generation = (?)), 0) AS bigint) AS events,
		CAST(COALESCE((SELECT SUM(balance) FROM balances WHERE generation = (?)), 0) AS bigint) AS balances,
		CAST(COALESCE((SELECT SUM(version) FROM balances WHERE generation = (?)), 0) AS bigint) AS versions,
		COALESCE((?), 0) AS daily_fed, COALESCE((?), 0) AS balances_fed`,
		s.feed.Serving(ctx, dailies), s.feed.Serving(ctx, dailies), s.feed.Serving(ctx, balances), s.feed.Serving(ctx, balances),
		s.feed.Fed(ctx, dailies), s.feed.Fed(ctx, balances)).Scan(&totals).Error
	if err != nil {
		return core.Totals{}, fmt.Errorf("add up all wallets: %w", err)
	}
	totals.Settled = totals.DailyFed == totals.BalancesFed
	return totals.Totals, nil
}
