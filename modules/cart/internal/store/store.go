// Package store keeps the cart's tables: carts, cart_lines, checkouts, merges.
package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/cart/internal/core"
)

// Store implements core.Store on the module's database.
type Store struct {
	*database.DB
	now   clock.Clock
	newID id.Source
}

var _ core.Store = (*Store)(nil)

// New makes the store.
func New(db *database.DB, now clock.Clock, newID id.Source) *Store {
	return &Store{DB: db, now: now, newID: newID}
}

type cartRow struct {
	ID        string `gorm:"primaryKey"`
	UserID    *string
	TokenHash *string
	UpdatedAt database.Time
}

func (cartRow) TableName() string { return "carts" }

type lineRow struct {
	CartID   string `gorm:"primaryKey"`
	SKU      string `gorm:"column:sku;primaryKey"`
	Quantity int
	AddedAt  database.Time
	Revision int64
}

func (lineRow) TableName() string { return "cart_lines" }

// Cart implements core.Store.
func (s *Store) Cart(ctx context.Context, o core.Owner) (core.Cart, bool, error) {
	return s.find(ctx, o, s.Conn(ctx))
}

// Lock implements core.Store. On SQLite the transaction is the lock.
func (s *Store) Lock(ctx context.Context, o core.Owner) (core.Cart, bool, error) {
	q := s.Conn(ctx)
	if s.Dialect() == database.Postgres {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return s.find(ctx, o, q)
}

func (s *Store) find(ctx context.Context, o core.Owner, q *gorm.DB) (core.Cart, bool, error) {
	if o.UserID != "" {
		q = q.Where("user_id = ?", o.UserID)
	} else {
		q = q.Where("token_hash = ?", o.TokenHash)
	}
	var carts []cartRow
	if err := q.Limit(1).Find(&carts).Error; err != nil || len(carts) == 0 {
		return core.Cart{}, false, err
	}
	c := core.Cart{ID: carts[0].ID, UpdatedAt: carts[0].UpdatedAt.Time}
	var lines []lineRow
	if err := s.Conn(ctx).Where("cart_id = ?", c.ID).Order("added_at, sku").Find(&lines).Error; err != nil {
		return core.Cart{}, false, err
	}
	for _, l := range lines {
		c.Lines = append(c.Lines, core.Line{SKU: l.SKU, Quantity: l.Quantity, AddedAt: l.AddedAt.Time, Revision: l.Revision})
	}
	return c, true, nil
}

// Open implements core.Store.
func (s *Store) Open(ctx context.Context, o core.Owner) (core.Cart, error) {
	if c, ok, err := s.Lock(ctx, o); ok || err != nil {
		return c, err
	}
	row := cartRow{ID: s.newID(), UpdatedAt: database.At(s.now())}
	if o.UserID != "" {
		row.UserID = &o.UserID
	} else {
		row.TokenHash = &o.TokenHash
	}
	if err := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return core.Cart{}, fmt.Errorf("open cart: %w", err)
	}
	c, ok, err := s.Lock(ctx, o)
	if err == nil && !ok {
		err = fmt.Errorf("open cart: it is gone again")
	}
	return c, err
}

// PutLines implements core.Store.
func (s *Store) PutLines(ctx context.Context, cartID string, lines []core.Line, at time.Time) error {
	if len(lines) == 0 {
		return nil
	}
	rows := make([]lineRow, len(lines))
	for i, l := range lines {
		rows[i] = lineRow{CartID: cartID, SKU: l.SKU, Quantity: l.Quantity, AddedAt: database.At(l.AddedAt), Revision: l.Revision}
	}
	slices.SortFunc(rows, func(a, b lineRow) int { return strings.Compare(a.SKU, b.SKU) })
	err := s.Later(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "cart_id"}, {Name: "sku"}}, DoUpdates: clause.AssignmentColumns([]string{"quantity", "revision"}),
	}).Create(&rows).Error
	if err != nil {
		return err
	}
	return s.touch(ctx, cartID, at)
}

// RemoveLines implements core.Store.
func (s *Store) RemoveLines(ctx context.Context, cartID string, skus []string, at time.Time) error {
	if len(skus) == 0 {
		return nil
	}
	if err := s.Later(ctx).Where("cart_id = ? AND sku IN ?", cartID, skus).Delete(&lineRow{}).Error; err != nil {
		return err
	}
	return s.touch(ctx, cartID, at)
}

func (s *Store) touch(ctx context.Context, cartID string, at time.Time) error {
	return s.Later(ctx).Model(&cartRow{}).Where("id = ?", cartID).Update("updated_at", database.At(at)).Error
}

// Drop implements core.Store.
func (s *Store) Drop(ctx context.Context, cartID string) error {
	return s.Conn(ctx).Where("id = ?", cartID).Delete(&cartRow{}).Error
}
