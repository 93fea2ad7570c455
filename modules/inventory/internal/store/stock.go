package store

import (
	"context"
	"strings"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/internal/core"
)

type stockRow struct {
	SKU      string `gorm:"column:sku;primaryKey"`
	OnHand   int64
	Reserved int64
	Version  int64
}

func (stockRow) TableName() string { return "stock" }

type movementRow struct {
	ID       string `gorm:"primaryKey"`
	SKU      string `gorm:"column:sku"`
	Kind     string
	Quantity int64
	OrderID  string
	At       database.Time
}

func (movementRow) TableName() string { return "movements" }

// Stock implements core.Store.
func (s *Store) Stock(ctx context.Context, skus []string) ([]core.Stock, error) {
	return s.stock(ctx, skus, false)
}

// LockStock implements core.Store. On SQLite the transaction is the lock.
func (s *Store) LockStock(ctx context.Context, skus []string) ([]core.Stock, error) {
	return s.stock(ctx, skus, s.Dialect() == database.Postgres)
}

func (s *Store) stock(ctx context.Context, skus []string, lock bool) ([]core.Stock, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	q := s.Conn(ctx).Where("sku IN ?", skus).Order("sku")
	if lock {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	var rows []stockRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, err
	}
	return toStock(rows), nil
}

// AddStock implements core.Store.
func (s *Store) AddStock(ctx context.Context, skus []string) error {
	rows := make([]stockRow, len(skus))
	for i, sku := range skus {
		rows[i] = stockRow{SKU: sku}
	}
	return s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
}

// PutOnHand implements core.Store.
func (s *Store) PutOnHand(ctx context.Context, levels []inventory.OnHand) ([]core.Stock, error) {
	values, args := make([]string, len(levels)), make([]any, 0, 2*len(levels))
	for i, l := range levels {
		values[i] = "(CAST(? AS text), CAST(? AS bigint), 0, 1)"
		args = append(args, l.SKU, l.OnHand)
	}
	var rows []stockRow
	err := s.Conn(ctx).Raw(`INSERT INTO stock (sku, on_hand, reserved, version) VALUES `+strings.Join(values, ", ")+`
		ON CONFLICT (sku) DO UPDATE SET on_hand = excluded.on_hand, version = stock.version + 1
		RETURNING sku, on_hand, reserved, version`, args...).Scan(&rows).Error
	return toStock(rows), err
}

// Adjust implements core.Store: one statement, whatever the number of lines. With
// PostgreSQL rows are changed only once they are locked, which is done in order; a
// row that others changed meanwhile is judged as it is then.
func (s *Store) Adjust(ctx context.Context, changes []core.Adjustment) ([]core.Stock, error) {
	values, args := make([]string, len(changes)), make([]any, 0, 3*len(changes))
	for i, c := range changes {
		values[i] = "(CAST(? AS text), CAST(? AS bigint), CAST(? AS bigint))"
		args = append(args, c.SKU, c.OnHand, c.Reserved)
	}
	var rows []stockRow
	if s.Dialect() == database.SQLite { // the transaction is the lock
		err := s.Conn(ctx).Raw(`WITH change (sku, on_hand, reserved) AS (VALUES `+strings.Join(values, ", ")+`)
			UPDATE stock SET on_hand = stock.on_hand + change.on_hand,
				reserved = stock.reserved + change.reserved,
				version = stock.version + 1
			FROM change
			WHERE stock.sku = change.sku
				AND stock.reserved + change.reserved BETWEEN 0 AND stock.on_hand + change.on_hand
			RETURNING stock.sku, stock.on_hand, stock.reserved, stock.version`, args...).Scan(&rows).Error
		return toStock(rows), err
	}
	err := s.Conn(ctx).Raw(`WITH change (sku, on_hand, reserved) AS (VALUES `+strings.Join(values, ", ")+`),
		locked AS MATERIALIZED (
			SELECT stock.sku FROM stock JOIN change ON change.sku = stock.sku ORDER BY stock.sku FOR UPDATE OF stock)
		UPDATE stock SET on_hand = stock.on_hand + change.on_hand,
			reserved = stock.reserved + change.reserved,
			version = stock.version + 1
		FROM change JOIN locked ON locked.sku = change.sku
		WHERE stock.sku = change.sku
			AND stock.reserved + change.reserved BETWEEN 0 AND stock.on_hand + change.on_hand
		RETURNING stock.sku, stock.on_hand, stock.reserved, stock.version`, args...).Scan(&rows).Error
	return toStock(rows), err
}

// Move implements core.Store.
func (s *Store) Move(ctx context.Context, moves []core.Movement) error {
	if len(moves) == 0 {
		return nil
	}
	rows := make([]movementRow, len(moves))
	for i, m := range moves {
		rows[i] = movementRow{ID: s.newID(), SKU: m.SKU, Kind: m.Kind, Quantity: m.Quantity, OrderID: m.OrderID, At: database.At(s.now())}
	}
	return s.Later(ctx).Create(&rows).Error
}

func toStock(rows []stockRow) []core.Stock {
	out := make([]core.Stock, len(rows))
	for i, r := range rows {
		out[i] = core.Stock(r)
	}
	return out
}
