package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
)

// checkoutRow and mergeRow remember what was done, so that it is done once.
type checkoutRow struct {
	OrderID string `gorm:"primaryKey"`
	At      database.Time
}

func (checkoutRow) TableName() string { return "checkouts" }

type mergeRow struct {
	TokenHash string `gorm:"primaryKey"`
	UserID    string
	Lines     int
	At        database.Time
}

func (mergeRow) TableName() string { return "merges" }

// AddCheckout implements core.Store.
func (s *Store) AddCheckout(ctx context.Context, orderID string) (bool, error) {
	tx := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&checkoutRow{OrderID: orderID, At: database.At(s.now())})
	return tx.RowsAffected == 1, tx.Error
}

// AddMerge implements core.Store.
func (s *Store) AddMerge(ctx context.Context, tokenHash, userID string, lines int) error {
	return s.Conn(ctx).Create(&mergeRow{TokenHash: tokenHash, UserID: userID, Lines: lines, At: database.At(s.now())}).Error
}

// Merged implements core.Store.
func (s *Store) Merged(ctx context.Context, tokenHash, userID string) (int, error) {
	var rows []mergeRow
	err := s.Conn(ctx).Where("token_hash = ? AND user_id = ?", tokenHash, userID).Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].Lines, nil
}

const purgeBatch = 500 // rows in one transaction, so that others get their turn

// Forget implements core.Store. Rows at which another instance is are left to it, and
// so are carts that somebody touches right now.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	skip := s.SkipLocked()
	for _, sql := range []string{
		"DELETE FROM checkouts WHERE order_id IN (SELECT order_id FROM checkouts WHERE at < ? ORDER BY at LIMIT ?" + skip + ")",
		"DELETE FROM merges WHERE token_hash IN (SELECT token_hash FROM merges WHERE at < ? ORDER BY at LIMIT ?" + skip + ")",
		"DELETE FROM carts WHERE id IN (SELECT id FROM carts WHERE token_hash IS NOT NULL AND updated_at < ? ORDER BY updated_at LIMIT ?" + skip + ")",
	} {
		_, err := s.InParts(ctx, purgeBatch, func(ctx context.Context) (int64, error) {
			tx := s.Conn(ctx).Exec(sql, database.At(before), purgeBatch)
			return tx.RowsAffected, tx.Error
		})
		if err != nil {
			return err
		}
	}
	return nil
}
