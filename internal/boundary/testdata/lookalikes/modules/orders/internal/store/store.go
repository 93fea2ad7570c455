// Package store looks as if it touched payments and products. It reads FROM payments nowhere.
package store

import (
	"context"
	"fmt"
	"strings"

	"example.com/shop/internal/database"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

type Store struct{ *database.DB }

func New(db *database.DB) *Store { return &Store{DB: db} }

type orderRow struct {
	ID    string
	Lines []lineRow
}

func (orderRow) TableName() string { return "orders" }

type lineRow struct{ OrderID string }

func (lineRow) TableName() string { return ordersTable }

const ordersTable = "order_lines"

// Payments is named like a neighbour's table.
type Payments struct{ N int }

func (s *Store) Words(ctx context.Context) error {
	fmt.Println("SELECT * FROM payments", "INSERT INTO products is what others do")
	var counted Payments
	if err := s.Conn(ctx).Raw("SELECT count(*) AS n FROM orders").Scan(&counted).Error; err != nil {
		return fmt.Errorf("read orders from payments, update products: %w", err)
	}
	q := s.Conn(ctx).Table("orders AS payments").Joins("JOIN order_lines products ON products.order_id = payments.id")
	if err := q.Where("payments.note = ?", "DELETE FROM products").Order("payments.id").Find(&counted).Error; err != nil {
		return err
	}
	return s.Conn(ctx).Clauses(clause.Locking{Strength: "UPDATE", Table: clause.Table{Name: clause.CurrentTable}}).Find(&orderRow{}).Error
}

func (s *Store) Pieces(ctx context.Context, ids []string) error {
	marks := strings.Repeat("(?, ?), ", len(ids))
	err := s.Conn(ctx).Exec("INSERT INTO orders (id, payments) VALUES " + marks + " ON CONFLICT (id) DO UPDATE SET payments = excluded.payments").Error
	if err != nil {
		return err
	}
	err = s.Conn(ctx).Raw(`WITH products AS (SELECT id FROM orders), payments (id) AS (SELECT id FROM products)
		SELECT EXTRACT(YEAR FROM payments.at) FROM payments`).Scan(&ids).Error
	if err != nil {
		return err
	}
	return s.locked(ctx).Where(gorm.Expr("id IN (SELECT order_id FROM order_lines WHERE note LIKE '% FROM payments %')")).Delete(&orderRow{}).Error
}

func (s *Store) locked(ctx context.Context) *gorm.DB { return s.Conn(ctx).Set("table", "payments") }
