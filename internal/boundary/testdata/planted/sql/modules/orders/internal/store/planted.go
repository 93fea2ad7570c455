package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"example.com/shop/modules/payments"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

const (
	paid   = "pay" + "ments"
	joined = " LEFT JOIN " + paid + " p ON p.order_id = orders.id"
)

func (s *Store) Join(ctx context.Context) error {
	s.Conn(ctx).Table("orders").Joins("JOIN payments.payments p ON p.id = orders.id")  // want SQL "the table payments.payments belongs to modules/payments"
	s.Conn(ctx).Table("payments.charges AS c")                                         // want SQL "the table payments.charges belongs to modules/payments"
	s.Conn(ctx).Table("sandbox.ledger")                                                // want SQL "the table sandbox.ledger belongs to modules/payments/sandbox"
	s.Conn(ctx).Table("orders, catalog.products")                                      // want SQL "the table catalog.products belongs to modules/catalog"
	s.Conn(ctx).Where("id IN (SELECT id FROM products)").Find(&orderRow{})             // want SQL "the table products belongs to modules/catalog"
	s.Conn(ctx).Select("id", "(SELECT count(*) FROM payments) AS n").Find(&orderRow{}) // want SQL "the table payments belongs to modules/payments"
	s.Conn(ctx).Order("(SELECT title FROM products LIMIT 1)").Find(&orderRow{})        // want SQL "the table products belongs to modules/catalog"
	s.Conn(ctx).Exec(`UPDATE orders SET note = p.title
		FROM products p -- want SQL "the table products belongs to modules/catalog"
		WHERE p.id = orders.id`)
	return s.Conn(ctx).Raw("SELECT 1 FROM orders" + joined).Error // want SQL "the table payments belongs to modules/payments"
}

func (s *Store) Expressions(ctx context.Context) {
	s.Conn(ctx).Exec("WITH x AS (DELETE FROM charges RETURNING id) SELECT * FROM x, orders") // want SQL "the table charges belongs to modules/payments"
	s.Conn(ctx).Exec("with payments as (select * from payments) select * from payments")     // want SQL "the table payments belongs to modules/payments"
	s.Conn(ctx).Where("id = ?", gorm.Expr("(SELECT max(id) FROM charges)"))                  // want SQL "the table charges belongs to modules/payments"
	_ = clause.Expr{SQL: "EXISTS (SELECT 1 FROM orders o NATURAL JOIN products)"}            // want SQL "the table products belongs to modules/catalog"
	_ = clause.Join{Table: clause.Table{Name: "payments"}}                                   // want SQL "the table payments belongs to modules/payments"
	s.Conn(ctx).Migrator().DropTable("products")                                             // want SQL "the table products belongs to modules/catalog"
}

type stray struct{ ID string }

func (*stray) TableName() string { return paid } // want SQL "the table payments belongs to modules/payments"

type Product struct{ ID string }

type mine struct{ payments.Entry } // brings a neighbour's TableName along

type tagged struct {
	ID       string
	Products []lineRow `gorm:"many2many:payments"` // want SQL "the table payments belongs to modules/payments"
}

func (tagged) TableName() string { return "orders" }

func (s *Store) Rows(ctx context.Context, all []Product) {
	s.Conn(ctx).Find(&all)                                      // want SQL "the table products belongs to modules/catalog"
	s.Conn(ctx).Create(&mine{})                                 // want SQL "the table charges belongs to modules/payments"
	s.Conn(ctx).Where("id = ?", 1).Delete(&payments.Entry{})      // want SQL "the table charges belongs to modules/payments"
	q := s.Conn(ctx).Model([]*payments.Entry{})                   // want SQL "the table charges belongs to modules/payments"
	q.Count(new(int64))
	s.Conn(ctx).Create(&Ordre{}) // want SQL "no migration makes the table ordres"
}

type Ordre struct{ ID string }

var tables = map[string]string{"a": "orders", "b": "products"}

func (s *Store) Chosen(ctx context.Context, kind, free string) error {
	sql := "SELECT 1"
	sql += " FROM "
	sql += "char" + "ges"
	s.Conn(ctx).Raw(sql)                                                // want SQL "the table charges belongs to modules/payments"
	s.Conn(ctx).Table(tables[kind])                                     // want SQL "the table products belongs to modules/catalog"
	s.Conn(ctx).Exec(fmt.Sprintf("DELETE FROM %s WHERE id = ?", paid))  // want SQL "the table payments belongs to modules/payments"
	s.Conn(ctx).Exec(fmt.Sprintf("TRUNCATE %s", free))                  // want SQL "chooses its table at run time"
	var b strings.Builder
	b.WriteString("INSERT INTO ")
	b.WriteString("products (id) VALUES (?)")
	s.Conn(ctx).Exec(b.String()) // want SQL "the table products belongs to modules/catalog"
	return s.run(ctx, "MERGE INTO orders USING payments ON true WHEN MATCHED THEN DO NOTHING")
}

func (s *Store) run(ctx context.Context, text string) error {
	return s.Conn(ctx).Exec(text).Error // want SQL "the table payments belongs to modules/payments"
}

func past(ctx context.Context, db *sql.DB, conn *pgx.Conn) {
	_, _ = db.ExecContext(ctx, "LOCK TABLE payments IN EXCLUSIVE MODE")             // want SQL "the table payments belongs to modules/payments"
	_, _ = conn.Exec(ctx, "COPY charges FROM STDIN")                                // want SQL "the table charges belongs to modules/payments"
	_, _ = conn.CopyFrom(ctx, pgx.Identifier{"payments", "charges"}, nil, nil)      // want SQL "the table payments.charges belongs to modules/payments"
}
