package core

import (
	"errors"
	"fmt"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// Bill is every number of an order, as its quote fixed them.
type Bill struct {
	Lines       []orders.Line
	Totals      orders.Totals
	WeightGrams int64
}

// billOf takes over a quote to the cent. It refuses one that does not add up:
// such an order could never be audited.
func billOf(q pricing.Quote) (Bill, error) {
	lines := make([]orders.Line, 0, len(q.Lines))
	for _, l := range q.Lines {
		lines = append(lines, orders.Line{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.Unit, Total: l.Total})
	}
	totals := orders.Totals{Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total}
	if err := addsUp(lines, totals); err != nil {
		return Bill{}, fmt.Errorf("quote %s: %w", q.ID, err)
	}
	return Bill{Lines: lines, Totals: totals, WeightGrams: q.Weight}, nil
}

// addsUp tells what is wrong with the numbers of an order, nil for nothing.
func addsUp(lines []orders.Line, t orders.Totals) error {
	subtotal := money.Zero(t.Total.Currency)
	for _, l := range lines {
		want, err := l.UnitPrice.MulInt(int64(l.Quantity))
		if err != nil {
			return fmt.Errorf("line %s: %w", l.SKU, err)
		}
		if l.Total != want {
			return fmt.Errorf("line %s is %v: %d times %v gives %v", l.SKU, l.Total, l.Quantity, l.UnitPrice, want)
		}
		if subtotal, err = subtotal.Add(want); err != nil {
			return fmt.Errorf("line %s: %w", l.SKU, err)
		}
	}
	if t.Subtotal != subtotal {
		return fmt.Errorf("the subtotal is %v, the lines give %v", t.Subtotal, subtotal)
	}
	total, err := money.Sum(t.Subtotal, t.Shipping, t.Tax)
	if err != nil {
		return fmt.Errorf("the totals: %w", err)
	}
	if total, err = total.Sub(t.Discount); err != nil {
		return fmt.Errorf("the totals: %w", err)
	}
	if t.Total != total {
		return fmt.Errorf("the total is %v, its parts give %v", t.Total, total)
	}
	if t.Total.IsNegative() {
		return errors.New("the total is below zero")
	}
	return nil
}
