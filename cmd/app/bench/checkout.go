package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// measureCheckout compares checkouts, from the request to the confirmed order,
// with the same writes in bare SQL, on each database. What the stores of the modules
// alone need for these writes is measured first.
func measureCheckout(ctx context.Context, b *bench) error {
	return errors.Join(b.measureStores(ctx), b.measureCheckouts(ctx))
}

func (b *bench) measureCheckouts(ctx context.Context) error {
	if err := b.checkoutOn(ctx, "SQLite", "", b.sqliteLimit); err != nil {
		return err
	}
	if b.postgres == "" {
		return nil
	}
	address, drop, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	bare, dropBare, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer dropBare()
	return b.checkoutOn(ctx, "PostgreSQL", address, func(ctx context.Context) (limit, error) { return b.postgresLimit(ctx, bare) })
}

// crowd is a number of clients, and what was measured with them.
type crowd struct {
	clients, orders    int
	ours, limit, whole figures
	p50, p99, cpu      figures // ms
}

func (b *bench) checkoutOn(ctx context.Context, name, address string, bare func(context.Context) (limit, error)) (err error) {
	l, err := bare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	all, err := b.stockedShop(ctx, name, address, b.pick(64, 256, 512))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.shop.stop()) }() // it may be another one by then
	crowds := []*crowd{
		{clients: 1, orders: b.pick(16, 64, 128)},
		{clients: 16, orders: len(all.list)},
		{clients: 64, orders: len(all.list)},
	}
	ours, limited := 0, 0
	// Round 0 warms both sides up and is not counted.
	for round := range 1 + b.pick(1, 3, 9) {
		if round == 1 {
			if err := all.shop.forget(); err != nil { // what registering the users took
				return err
			}
		}
		for _, c := range crowds {
			b.progress.say("%s, round %d of %d, %d clients", name, round, b.pick(1, 3, 9), c.clients)
			w, err := all.wave(ctx, c, round)
			if err != nil {
				return err
			}
			lw, err := l.run(ctx, c.clients, c.orders, time.Duration(b.pick(1, 2, 4))*time.Second)
			if err != nil {
				return err
			}
			ours, limited = ours+w.n, limited+lw.n
			if round == 0 {
				continue
			}
			c.ours, c.limit = append(c.ours, rate(w.n, w.took)), append(c.limit, rate(lw.n, lw.took))
			c.whole = append(c.whole, rate(w.n, w.rested))
			lags := milliseconds(w.answers)
			c.cpu = append(c.cpu, float64(w.spent)/float64(time.Millisecond)/float64(w.n))
			c.p50, c.p99 = append(c.p50, lags.quantile(.5)), append(c.p99, lags.quantile(.99))
		}
	}
	b.checkoutRows(name, l.is(), crowds)
	if err := b.loadedRows(ctx, name, all.shop); err != nil {
		return err
	}
	profiled, err := b.profileCheckout(ctx, all)
	ours += profiled
	if err != nil {
		return err
	}
	t, err := l.count(ctx)
	if err != nil {
		return err
	}
	return errors.Join(t.check(int64(limited)), all.conserved(ctx, ours))
}

// wave fills the carts, which is not timed, and orders them.
func (a *buyers) wave(ctx context.Context, c *crowd, round int) (wave, error) {
	if err := a.fill(ctx, c.orders, round); err != nil {
		return wave{}, err
	}
	if err := a.shop.settled(ctx); err != nil {
		return wave{}, err
	}
	return a.order(ctx, c.clients, c.orders)
}

// stockedShop starts a shop with something to sell and users to sell it to.
func (b *bench) stockedShop(ctx context.Context, name, address string, users int, settings ...string) (*buyers, error) {
	b.progress.say("%s, preparing a shop with %d SKUs and %d users", name, skus, users)
	at, err := b.site(name, address, append(append(admin(), "BANYAN_RATE_LIMIT=off"), settings...)...)
	if err != nil {
		return nil, err
	}
	csv, err := b.catalogue(skus)
	if err != nil {
		return nil, err
	}
	if _, err := at.app(ctx, "import", csv); err != nil {
		return nil, err
	}
	p, err := at.serve(ctx)
	if err != nil {
		return nil, err
	}
	all, err := p.register(ctx, users)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return all, nil
}

// conserved holds what was measured against the books: as many orders as were
// answered, as much stock gone as they took, and a clean audit.
func (a *buyers) conserved(ctx context.Context, orders int) error {
	sold, err := a.sold(ctx)
	if err != nil {
		return err
	}
	if sold != int64(orders*perOrder) {
		return fmt.Errorf("%d orders of %d lines were confirmed, but %d pieces of stock are gone", orders, perOrder, sold)
	}
	text, err := a.shop.app(ctx, "audit", "--json")
	if err != nil {
		return err
	}
	var report struct{ Findings []any }
	if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Findings) > 0 {
		return fmt.Errorf("the audit after the load: %w\n%s", err, text)
	}
	return nil
}

func (b *bench) checkoutRows(name, is string, crowds []*crowd) {
	for _, c := range crowds {
		row := Row{
			Area: "checkout", What: fmt.Sprintf("%s, %d clients", name, c.clients), Unit: "orders/s",
			Ours: c.ours.median(), Limit: c.limit.median(), Is: is, Ratio: paired(c.ours, c.limit).median(),
		}
		if c.clients == 16 {
			row.Bar = ratioAtLeast(0.45)
		}
		b.add(row,
			Row{Area: "checkout", What: fmt.Sprintf("%s, %d clients, until all is done", name, c.clients), Unit: "orders/s", Ours: c.whole.median()},
			Row{Area: "checkout", What: fmt.Sprintf("%s, %d clients, processor time of the shop for one", name, c.clients), Unit: "ms", Ours: c.cpu.median()},
			Row{Area: "checkout", What: fmt.Sprintf("%s, %d clients, p50", name, c.clients), Unit: "ms", Ours: c.p50.median()})
		p99 := Row{
			Area: "checkout", What: fmt.Sprintf("%s, %d clients, p99", name, c.clients), Unit: "ms", Ours: c.p99.median(),
			Limit: c.p50.median(), Ratio: paired(c.p99, c.p50).median(), Is: "our own p50",
		}
		if c.clients == 64 {
			p99.Bar = ratioAtMost(4)
		}
		b.add(p99)
	}
	sixteen, sixtyfour := crowds[1], crowds[2]
	b.add(Row{
		Area: "checkout", What: name + ", 64 clients against 16", Unit: "orders/s", Ours: sixtyfour.ours.median(), Limit: sixteen.ours.median(),
		Ratio: paired(sixtyfour.ours, sixteen.ours).median(), Is: "our own 16 clients", Bar: ratioAtLeast(0.9),
	})
}

// loadedRows tells what a shop holds after the load, and the most it held.
func (b *bench) loadedRows(ctx context.Context, name string, p *shop) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settle):
	}
	now, most, err := p.memory()
	if err != nil {
		return err
	}
	b.add(Row{Area: "memory", What: name + ", after the checkout load, resident", Unit: "MB", Ours: now},
		Row{Area: "memory", What: name + ", the most during it, resident", Unit: "MB", Ours: most})
	return nil
}
