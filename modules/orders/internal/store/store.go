// Package store keeps orders in the table orders of this context's database,
// and touches no other.
package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/orders/internal/core"
)

// Store implements core.Store.
type Store struct{ *database.DB }

var _ core.Store = Store{}

// Insert adds an order. It goes with the next statement of its transaction: nothing
// that it finds changes what is done next.
func (s Store) Insert(ctx context.Context, o *core.Order) error {
	r, err := rowOf(o)
	if err != nil {
		return fmt.Errorf("insert order %s: %w", o.ID, err)
	}
	if err := s.Later(ctx).Create(&r).Error; err != nil {
		return fmt.Errorf("insert order %s: %w", o.ID, err)
	}
	return nil
}

// NumberTaken implements core.Store: ids do not collide, numbers can.
func (s Store) NumberTaken(err error) bool { return errors.Is(err, gorm.ErrDuplicatedKey) }

// Get reads an order.
func (s Store) Get(ctx context.Context, id string) (*core.Order, error) {
	return s.one(s.Conn(ctx), id)
}

// Lock reads an order for update. SQLite has one writer anyway.
func (s Store) Lock(ctx context.Context, id string) (*core.Order, error) {
	conn := s.Conn(ctx)
	if s.Dialect() == database.Postgres {
		conn = conn.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return s.one(conn, id)
}

func (s Store) one(conn *gorm.DB, id string) (*core.Order, error) {
	var r row
	err := conn.Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, core.NotFound(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", id, err)
	}
	return r.order()
}

// mutable are the columns that change after an order is placed.
var mutable = []string{
	"status", "reason", "version", "lines", "subtotal", "discount", "shipping", "tax", "total", "refunded",
	"weight_grams", "payment_id", "shipment_id", "cancelling", "delivered_early", "history", "updated_at",
}

// Update writes what can change of an order that the transaction has locked, so
// that nobody need look whether it is there.
func (s Store) Update(ctx context.Context, o *core.Order) error {
	r, err := rowOf(o)
	if err != nil {
		return fmt.Errorf("update order %s: %w", o.ID, err)
	}
	err = s.Later(ctx).Model(&row{}).Where("id = ?", o.ID).Select(mutable).UpdateColumns(&r).Error
	if err != nil {
		return fmt.Errorf("update order %s: %w", o.ID, err)
	}
	return nil
}

// List gives orders newest first: ids sort by time.
func (s Store) List(ctx context.Context, userID, before string, limit int) ([]*core.Order, error) {
	query := s.Conn(ctx).Order(clause.OrderByColumn{Column: clause.Column{Name: "id"}, Desc: true}).Limit(limit)
	if userID != "" {
		query = query.Where("user_id = ?", userID)
	}
	if before != "" {
		query = query.Where("id < ?", before)
	}
	var rows []row
	if err := query.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	found := make([]*core.Order, 0, len(rows))
	for i := range rows {
		order, err := rows[i].order()
		if err != nil {
			return nil, err
		}
		found = append(found, order)
	}
	return found, nil
}
