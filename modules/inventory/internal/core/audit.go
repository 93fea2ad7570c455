package core

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/modules/inventory"
)

// Ledger is what the audit reads: every stock row beside the sums that must
// explain it, all of one instant.
type Ledger interface {
	// Books gives one page of rows, in the order of their SKUs.
	Books(ctx context.Context, after string, limit int) ([]Book, error)
	// Sales gives one page of reservations, in the order of their orders.
	Sales(ctx context.Context, after string, limit int) ([]Sale, error)
}

// Book is a stock row, the sum of its movements, and the sum of the lines of
// its held reservations.
type Book struct {
	Stock
	Moved int64
	Held  int64
}

// Sale is a reservation and what its movements added to on hand, by SKU.
type Sale struct {
	inventory.Reservation
	Moved map[string]int64
}

const auditPage = 500

// Checks are the conservation rules of inventory.
func (s *Service) Checks() []audit.Check {
	return []audit.Check{{
		Rule: "inventory.books_balance",
		Says: "per SKU: on hand is the sum of its movements, reserved is the sum of its held reservations, and 0 ≤ reserved ≤ on hand",
		Run:  s.auditBooks,
	}, {
		Rule: "inventory.sales_moved_once",
		Says: "per order: its movements take out what a committed reservation holds, and nothing where it is not committed",
		Run:  s.auditSales,
	}}
}

func (s *Service) auditSales(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for after := ""; ; {
		sales, err := s.store.Sales(ctx, after, auditPage)
		if err != nil || len(sales) == 0 {
			return examined, err
		}
		for _, sale := range sales {
			examined++
			if sale.Status == inventory.Committed {
				for _, l := range sale.Lines {
					sale.Moved[l.SKU] += l.Quantity
				}
			}
			for _, sku := range slices.Sorted(maps.Keys(sale.Moved)) {
				if off := sale.Moved[sku]; off != 0 {
					report("order "+sale.OrderID, fmt.Sprintf("it is %s, but its movements of %s are off by %d", sale.Status, sku, off))
				}
			}
			after = sale.OrderID
		}
	}
}

func (s *Service) auditBooks(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for after := ""; ; {
		books, err := s.store.Books(ctx, after, auditPage)
		if err != nil || len(books) == 0 {
			return examined, err
		}
		for _, b := range books {
			examined++
			if b.OnHand != b.Moved {
				report("sku "+b.SKU, fmt.Sprintf("on hand is %d, its movements add up to %d", b.OnHand, b.Moved))
			}
			if b.Reserved != b.Held {
				report("sku "+b.SKU, fmt.Sprintf("reserved is %d, its %s reservations add up to %d", b.Reserved, inventory.Held, b.Held))
			}
			if b.Reserved < 0 || b.Reserved > b.OnHand {
				report("sku "+b.SKU, fmt.Sprintf("%d reserved of %d on hand", b.Reserved, b.OnHand))
			}
			after = b.SKU
		}
	}
}
