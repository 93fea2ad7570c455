package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/banyan-tree/banyan/internal/id"
)

// bareSQL is the limit by database/sql: one statement per round trip, prepared
// once. Each module has its pool, which is the same one on PostgreSQL.
type bareSQL struct {
	pools   map[string]*sql.DB
	what    string
	ready   []prepared
	closers []func() error
}

type prepared struct {
	module     string
	pool       *sql.DB
	statements []*sql.Stmt
	args       [][]argument
}

// prepare makes the tables and the statements. numbered turns ? into $1.
func (l *bareSQL) prepare(ctx context.Context, numbered bool) error {
	for module, statements := range schema() {
		for _, text := range statements {
			if _, err := l.pools[module].ExecContext(ctx, text); err != nil {
				return fmt.Errorf("make the tables of the limit: %w", err)
			}
		}
	}
	if err := stockUp(ctx, l.pools["inventory"], numbered); err != nil {
		return err
	}
	for _, t := range transactions() {
		p := prepared{module: t.module, pool: l.pools[t.module]}
		for _, s := range t.statements {
			text := s.sql
			if numbered {
				text = dollars(text)
			}
			stmt, err := p.pool.PrepareContext(ctx, text)
			if err != nil {
				return fmt.Errorf("prepare %s: %w", text, err)
			}
			p.statements, p.args = append(p.statements, stmt), append(p.args, s.args)
		}
		l.ready = append(l.ready, p)
	}
	return nil
}

func stockUp(ctx context.Context, pool *sql.DB, numbered bool) error {
	text := `INSERT INTO limit_stock (sku, on_hand) VALUES (?, ?)`
	if numbered {
		text = dollars(text)
	}
	t, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for n := 1; n <= skus; n++ {
		if _, err := t.ExecContext(ctx, text, sku(n), stocked); err != nil {
			return errors.Join(err, t.Rollback())
		}
	}
	return t.Commit()
}

// dollars numbers the arguments.
func dollars(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if r == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (l *bareSQL) is() string { return l.what }

// run does exactly n orders.
func (l *bareSQL) run(ctx context.Context, clients, n int, _ time.Duration) (wave, error) {
	return l.orders(ctx, l.ready, clients, n)
}

// part does exactly n.
func (l *bareSQL) part(ctx context.Context, module string, clients, n int, _ time.Duration) (wave, error) {
	return l.orders(ctx, slices.DeleteFunc(slices.Clone(l.ready), func(p prepared) bool { return p.module != module }), clients, n)
}

func (l *bareSQL) orders(ctx context.Context, of []prepared, clients, n int) (wave, error) {
	w := wave{n: n}
	var mu sync.Mutex
	start := time.Now()
	err := parallel(ctx, clients, n, func(ctx context.Context, _ int) error {
		begun := time.Now()
		err := order(ctx, of)
		mu.Lock()
		w.answers = append(w.answers, time.Since(begun))
		mu.Unlock()
		return err
	})
	w.took = time.Since(start)
	return w, err
}

func order(ctx context.Context, of []prepared) error {
	order, third := id.V7(), skus/perOrder
	for _, p := range of {
		values := map[argument]any{
			orderID: order, eventID: id.V7(), payload: fmt.Sprintf(event1, order),
			skuA: sku(1 + rand.N(third)), skuB: sku(1 + third + rand.N(third)), skuC: sku(1 + 2*third + rand.N(third)),
		}
		t, err := p.pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for i, stmt := range p.statements {
			args := make([]any, len(p.args[i]))
			for k, a := range p.args[i] {
				args[k] = values[a]
			}
			if _, err := t.StmtContext(ctx, stmt).ExecContext(ctx, args...); err != nil {
				return errors.Join(err, t.Rollback())
			}
		}
		if err := t.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (l *bareSQL) count(ctx context.Context) (tally, error) {
	var c tally
	one := func(module, text string, into *int64) error {
		var n int64
		err := l.pools[module].QueryRowContext(ctx, text).Scan(&n)
		*into += n
		return err
	}
	return c, errors.Join(
		one("orders", `SELECT count(*) FROM limit_orders`, &c.orders),
		one("orders", `SELECT count(*) FROM limit_orders WHERE status = 'confirmed'`, &c.confirmed),
		one("orders", `SELECT count(*) FROM limit_lines`, &c.lines),
		one("payments", `SELECT count(*) FROM limit_payments`, &c.payments),
		one("orders", `SELECT count(*) FROM limit_outbox_orders`, &c.events),
		one("inventory", `SELECT count(*) FROM limit_outbox_inventory`, &c.events),
		one("payments", `SELECT count(*) FROM limit_outbox_payments`, &c.events),
		one("inventory", fmt.Sprintf(`SELECT %d - sum(on_hand) FROM limit_stock`, int64(skus)*stocked), &c.sold),
	)
}

func (l *bareSQL) close() error {
	var errs []error
	for _, p := range l.ready {
		for _, s := range p.statements {
			errs = append(errs, s.Close())
		}
	}
	for _, c := range l.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
