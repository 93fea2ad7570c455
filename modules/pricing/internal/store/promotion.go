package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/internal/core"
)

type promotionRow struct {
	Code        string `gorm:"primaryKey"`
	Kind        string
	Value       int64
	StartsAt    database.Time
	EndsAt      database.Time
	MinSubtotal int64
	UsageLimit  int64
	Used        int64
}

func (promotionRow) TableName() string { return "promotions" }

// AddPromotion implements core.Store.
func (s *Store) AddPromotion(ctx context.Context, p pricing.Promotion) (bool, error) {
	tx := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&promotionRow{
		Code: p.Code, Kind: p.Kind, Value: p.Value, StartsAt: database.At(p.StartsAt), EndsAt: database.At(p.EndsAt),
		MinSubtotal: p.MinSubtotal.Amount, UsageLimit: p.UsageLimit,
	})
	return tx.RowsAffected == 1, tx.Error
}

// Promotion implements core.Store.
func (s *Store) Promotion(ctx context.Context, code string) (pricing.Promotion, bool, error) {
	var rows []promotionRow
	if err := s.Conn(ctx).Where("code = ?", code).Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return pricing.Promotion{}, false, err
	}
	r := rows[0]
	return pricing.Promotion{
		Code: r.Code, Kind: r.Kind, Value: r.Value, StartsAt: r.StartsAt.Time, EndsAt: r.EndsAt.Time,
		MinSubtotal: money.Of(r.MinSubtotal, s.currency), UsageLimit: r.UsageLimit, Used: r.Used,
	}, true, nil
}

// UsePromotion implements core.Store: the limit is checked by the write itself.
func (s *Store) UsePromotion(ctx context.Context, code string) (bool, error) {
	tx := s.Conn(ctx).Model(&promotionRow{}).Where("code = ? AND (usage_limit = 0 OR used < usage_limit)", code).
		Update("used", gorm.Expr("used + 1"))
	return tx.RowsAffected == 1, tx.Error
}

// FreePromotion implements core.Store.
func (s *Store) FreePromotion(ctx context.Context, code string) error {
	return s.Conn(ctx).Model(&promotionRow{}).Where("code = ?", code).Update("used", gorm.Expr("used - 1")).Error
}

// Usage implements core.Store.
func (s *Store) Usage(ctx context.Context, after string, limit int) ([]core.Usage, error) {
	var rows []struct {
		Code       string
		Used       int64
		UsageLimit int64
		Quotes     int64
	}
	err := s.Conn(ctx).Raw(`SELECT code, used, usage_limit,
			(SELECT COUNT(*) FROM quotes WHERE quotes.promo_code = promotions.code AND quotes.promo_code <> '' AND status = 'open') AS quotes
		FROM promotions WHERE code > ? ORDER BY code LIMIT ?`, after, limit).Scan(&rows).Error
	out := make([]core.Usage, len(rows))
	for i, r := range rows {
		out[i] = core.Usage{Code: r.Code, Used: r.Used, Limit: r.UsageLimit, Quotes: r.Quotes}
	}
	return out, err
}
