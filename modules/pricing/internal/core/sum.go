package core

import (
	"fmt"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// discount takes a promotion off, line by line: a percentage is rounded half to
// even per line, a fixed amount is shared out by the lines' totals.
func discount(q *pricing.Quote, p pricing.Promotion) error {
	parts := make([]money.Money, len(q.Lines))
	if p.Kind == pricing.Fixed {
		off := money.Of(min(p.Value, q.Subtotal.Amount), q.Subtotal.Currency)
		weights := make([]int64, len(q.Lines))
		for i, line := range q.Lines {
			weights[i] = line.Total.Amount
		}
		var err error
		if parts, err = off.Allocate(weights...); err != nil {
			return err
		}
	} else {
		for i, line := range q.Lines {
			var err error
			if parts[i], err = line.Total.Percent(fmt.Sprint(p.Value)); err != nil {
				return err
			}
		}
	}
	var err error
	for i := range q.Lines {
		q.Lines[i].Discount = parts[i]
	}
	q.Discount, err = money.Sum(parts...)
	return err
}

// addUp taxes what is left of each line and adds everything up.
func addUp(q *pricing.Quote, rate string) error {
	for i := range q.Lines {
		line := &q.Lines[i]
		taxed, err := line.Total.Sub(line.Discount)
		if err != nil {
			return err
		}
		if line.Tax, err = taxed.Percent(rate); err != nil {
			return err
		}
		if q.Tax, err = q.Tax.Add(line.Tax); err != nil {
			return err
		}
	}
	off, err := q.Discount.Neg()
	if err != nil {
		return err
	}
	q.Total, err = money.Sum(q.Subtotal, off, q.Shipping, q.Tax)
	return err
}
