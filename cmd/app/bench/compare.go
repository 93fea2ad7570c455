package main

import (
	"context"
	"errors"
	"fmt"
)

// compare lets carriers take turns, ours first among them, beside the bare transaction
// that publishes: a row of business and a row of the outbox. bar is for that ratio.
func (b *bench) compare(ctx context.Context, area string, plans []plan, bar *Bar) (err error) {
	l, drop, err := b.twoRows(ctx)
	if err != nil {
		return err
	}
	defer drop()
	all, closeAll, err := b.openCarriages(ctx, plans)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	var limit figures
	ours, rounds := all[0], b.pick(1, 4, 10)
	for round := range 1 + rounds {
		b.progress.say("%s, round %d of %d", ours.name, round, rounds)
		bare, err := l(ctx)
		if err != nil {
			return err
		}
		for i := range all {
			c := all[(i+round)%len(all)] // nobody is always the one behind pgbench and its dirty pages
			if err := c.measure(ctx, round > 0, b.pick(300, 600, 1500)); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		if round > 0 { // the first warms up
			limit = append(limit, bare)
		}
	}
	b.add(Row{
		Area: area, What: ours.name + ", commit to effect, 16 writers", Unit: "events/s", Ours: ours.rates.median(), Limit: limit.median(),
		Ratio: paired(ours.rates, limit).median(), Is: "pgbench of the two-row transaction", Bar: bar,
	})
	for _, c := range all[1:] {
		b.add(ours.beside(area, c)...)
	}
	return nil
}

// beside compares ours with another.
func (c *carriage) beside(area string, other *carriage) []Row {
	row := func(what, unit string, mine, its figures, is string, bar *Bar) Row {
		return Row{
			Area: area, What: c.name + ", " + what + ", beside " + other.name, Unit: unit, Ours: mine.median(), Limit: its.median(),
			Ratio: paired(mine, its).median(), Is: is, Bar: bar,
		}
	}
	rows := []Row{row("16 writers", "events/s", c.rates, other.rates, other.is, other.bar)}
	if other.lags {
		rows = append(rows,
			row("lag at 300 events/s, p50", "ms", c.p50, other.p50, "of "+other.name, other.lag50),
			row("lag at 300 events/s, p99", "ms", c.p99, other.p99, "of "+other.name, other.lag99))
	}
	return rows
}
