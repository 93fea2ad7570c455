package store

import (
	"context"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/inventory/internal/core"
)

// heldLines turns the JSON lines of held reservations into rows, per dialect.
var heldLines = map[database.Dialect]string{
	database.SQLite: `SELECT line.value ->> 'sku' AS sku, CAST(line.value ->> 'quantity' AS integer) AS quantity
		FROM reservations, json_each(reservations.lines) AS line WHERE status = 'held'`,
	database.Postgres: `SELECT line.sku, line.quantity
		FROM reservations, jsonb_to_recordset(reservations.lines::jsonb) AS line (sku text, quantity bigint) WHERE status = 'held'`,
}

// Books implements core.Ledger in one statement, so that all is of one instant.
func (s *Store) Books(ctx context.Context, after string, limit int) ([]core.Book, error) {
	var rows []struct { // gorm skips an embedded struct that is not exported
		SKU      string `gorm:"column:sku"`
		OnHand   int64
		Reserved int64
		Version  int64
		Moved    int64
		Held     int64
	}
	err := s.Conn(ctx).Raw(`WITH line (sku, quantity) AS (`+heldLines[s.Dialect()]+`),
		held AS (SELECT sku, SUM(quantity) AS quantity FROM line GROUP BY sku)
		SELECT stock.sku, stock.on_hand, stock.reserved, stock.version,
			CAST(COALESCE((SELECT SUM(quantity) FROM movements WHERE movements.sku = stock.sku), 0) AS bigint) AS moved,
			CAST(COALESCE(held.quantity, 0) AS bigint) AS held
		FROM stock LEFT JOIN held ON held.sku = stock.sku
		WHERE stock.sku > ? ORDER BY stock.sku LIMIT ?`, after, limit).Scan(&rows).Error
	books := make([]core.Book, len(rows))
	for i, r := range rows {
		stock := core.Stock{SKU: r.SKU, OnHand: r.OnHand, Reserved: r.Reserved, Version: r.Version}
		books[i] = core.Book{Stock: stock, Moved: r.Moved, Held: r.Held}
	}
	return books, err
}

// Sales implements core.Ledger in one statement, like Books.
func (s *Store) Sales(ctx context.Context, after string, limit int) ([]core.Sale, error) {
	var rows []struct {
		OrderID  string
		Status   string
		Lines    string
		SKU      string `gorm:"column:sku"`
		Quantity int64
	}
	err := s.Conn(ctx).Raw(`SELECT r.order_id, r.status, r.lines,
			COALESCE(movements.sku, '') AS sku, COALESCE(movements.quantity, 0) AS quantity
		FROM (SELECT order_id, status, lines FROM reservations WHERE order_id > ? ORDER BY order_id LIMIT ?) AS r
		LEFT JOIN movements ON movements.order_id = r.order_id
		ORDER BY r.order_id`, after, limit).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	var sales []core.Sale
	for _, row := range rows {
		if n := len(sales); n == 0 || sales[n-1].OrderID != row.OrderID {
			r, err := reservationRow{OrderID: row.OrderID, Status: row.Status, Lines: row.Lines}.reservation()
			if err != nil {
				return nil, err
			}
			sales = append(sales, core.Sale{Reservation: r, Moved: map[string]int64{}})
		}
		if row.SKU != "" {
			sales[len(sales)-1].Moved[row.SKU] += row.Quantity
		}
	}
	return sales, nil
}
