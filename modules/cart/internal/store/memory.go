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

// DropIdle implements core.Store. The age is looked at twice: the second time in
// the statement that drops, which waits for whoever touches the cart right now.
func (s *Store) DropIdle(ctx context.Context, before time.Time, limit int) (int64, error) {
	if err := s.Conn(ctx).Where("at < ?", database.At(before)).Delete(&checkoutRow{}).Error; err != nil {
		return 0, err
	}
	if err := s.Conn(ctx).Where("at < ?", database.At(before)).Delete(&mergeRow{}).Error; err != nil {
		return 0, err
	}
	idle := s.Conn(ctx).Model(&cartRow{}).Select("id").
		Where("token_hash IS NOT NULL AND updated_at < ?", database.At(before)).Order("updated_at, id").Limit(limit)
	tx := s.Conn(ctx).Where("id IN (?) AND updated_at < ?", idle, database.At(before)).Delete(&cartRow{})
	return tx.RowsAffected, tx.Error
}
