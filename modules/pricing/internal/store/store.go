// Package store keeps pricing's tables: prices, promotions, quotes.
package store

import (
	"context"
	"strings"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/pricing/internal/core"
)

// Store implements core.Store on the module's database.
type Store struct {
	*database.DB
	now      clock.Clock
	currency string
}

var _ core.Store = (*Store)(nil)

// New makes the store of a shop with one currency.
func New(db *database.DB, now clock.Clock, currency string) *Store {
	return &Store{DB: db, now: now, currency: currency}
}

type priceRow struct {
	SKU       string `gorm:"column:sku;primaryKey"`
	Amount    int64
	CompareAt *int64
	Currency  string
	Version   int64
}

func (priceRow) TableName() string { return "prices" }

// Prices implements core.Store.
func (s *Store) Prices(ctx context.Context, skus []string) ([]pricing.Price, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	var rows []priceRow
	if err := s.Conn(ctx).Where("sku IN ?", skus).Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]pricing.Price, len(rows))
	for i, r := range rows {
		out[i] = pricing.Price{SKU: r.SKU, Price: money.Of(r.Amount, r.Currency)}
		if r.CompareAt != nil {
			was := money.Of(*r.CompareAt, r.Currency)
			out[i].CompareAt = &was
		}
	}
	return out, nil
}

// PutPrices implements core.Store in one statement: rows that are the same are
// left alone, and are not among those returned.
func (s *Store) PutPrices(ctx context.Context, prices []pricing.Price) (map[string]int64, error) {
	values, args := make([]string, len(prices)), make([]any, 0, 4*len(prices))
	for i, p := range prices {
		var compareAt *int64
		if p.CompareAt != nil {
			compareAt = &p.CompareAt.Amount
		}
		values[i] = "(CAST(? AS text), CAST(? AS bigint), CAST(? AS bigint), CAST(? AS text), 1)"
		args = append(args, p.SKU, p.Price.Amount, compareAt, p.Price.Currency)
	}
	var rows []priceRow
	err := s.Conn(ctx).Raw(`INSERT INTO prices (sku, amount, compare_at, currency, version) VALUES `+strings.Join(values, ", ")+`
		ON CONFLICT (sku) DO UPDATE SET amount = excluded.amount, compare_at = excluded.compare_at,
			currency = excluded.currency, version = prices.version + 1
		WHERE prices.amount <> excluded.amount OR prices.currency <> excluded.currency
			OR COALESCE(prices.compare_at, -1) <> COALESCE(excluded.compare_at, -1)
		RETURNING sku, version`, args...).Scan(&rows).Error
	versions := make(map[string]int64, len(rows))
	for _, r := range rows {
		versions[r.SKU] = r.Version
	}
	return versions, err
}

// Foreign implements core.Store.
func (s *Store) Foreign(ctx context.Context) (prices int64, currency string, err error) {
	err = s.Conn(ctx).Raw(`SELECT count(*), COALESCE(min(currency), '') FROM prices WHERE currency <> ?`, s.currency).
		Row().Scan(&prices, &currency)
	return prices, currency, err
}
