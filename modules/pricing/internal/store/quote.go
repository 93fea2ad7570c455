package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/pricing/internal/core"
)

type quoteRow struct {
	OrderID   string `gorm:"primaryKey"`
	Status    string
	PromoCode string
	Body      string // JSON
	CreatedAt database.Time
}

func (quoteRow) TableName() string { return "quotes" }

const (
	open     = "open"
	released = "released"
)

const purgeBatch = 500 // rows in one transaction, so that others get their turn

// AddQuote implements core.Store.
func (s *Store) AddQuote(ctx context.Context, q core.OrderQuote) (bool, error) {
	return s.addQuote(s.Conn(ctx), q)
}

// AddOnlyQuote implements core.Store.
func (s *Store) AddOnlyQuote(ctx context.Context, q core.OrderQuote) (isNew bool, err error) {
	err = s.Atomic(ctx, func(ctx context.Context) (err error) {
		isNew, err = s.addQuote(s.Last(ctx), q)
		return err
	})
	return isNew, err
}

func (s *Store) addQuote(conn *gorm.DB, q core.OrderQuote) (bool, error) {
	body, err := json.Marshal(q.Quote)
	if err != nil {
		return false, fmt.Errorf("write quote: %w", err)
	}
	row := quoteRow{OrderID: q.OrderID, Status: open, PromoCode: q.PromoCode, Body: string(body), CreatedAt: database.At(s.now())}
	if q.Released {
		row.Status = released
	}
	tx := conn.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return tx.RowsAffected == 1, tx.Error
}

// Quote implements core.Store.
func (s *Store) Quote(ctx context.Context, orderID string) (core.OrderQuote, bool, error) {
	var rows []quoteRow
	if err := s.Conn(ctx).Where("order_id = ?", orderID).Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return core.OrderQuote{}, false, err
	}
	q := core.OrderQuote{OrderID: orderID, Released: rows[0].Status == released, PromoCode: rows[0].PromoCode}
	if err := json.Unmarshal([]byte(rows[0].Body), &q.Quote); err != nil {
		return q, false, fmt.Errorf("read the quote of order %s: %w", orderID, err)
	}
	return q, true, nil
}

// PurgeQuotes implements core.Store.
func (s *Store) PurgeQuotes(ctx context.Context, before time.Time) (int64, error) {
	skip := s.SkipLocked()
	return s.InParts(ctx, purgeBatch, func(ctx context.Context) (int64, error) {
		tx := s.Conn(ctx).Exec(`DELETE FROM quotes WHERE order_id IN (
			SELECT order_id FROM quotes WHERE (promo_code = '' OR status = 'released') AND created_at < ?
			ORDER BY created_at LIMIT ?`+skip+`)`, database.At(before), purgeBatch)
		return tx.RowsAffected, tx.Error
	})
}

// ReleaseQuote implements core.Store.
func (s *Store) ReleaseQuote(ctx context.Context, orderID string) (bool, error) {
	tx := s.Conn(ctx).Model(&quoteRow{}).Where("order_id = ? AND status = ?", orderID, open).Update("status", released)
	return tx.RowsAffected == 1, tx.Error
}
