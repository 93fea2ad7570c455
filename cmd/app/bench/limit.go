package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// limit does the same work as checkouts in bare SQL: an order with its lines and
// its event, three conditional changes of stock with their event, a payment with
// its event, and the order's new status with its event. Four transactions, as
// they are in four modules.
type limit interface {
	is() string
	// run lets so many clients do about n orders and gives how many were done.
	run(ctx context.Context, clients, n int, about time.Duration) (wave, error)
	// part is run with the transactions of one module alone.
	part(ctx context.Context, module string, clients, n int, about time.Duration) (wave, error)
	// count reads back how many rows there are and how much stock is gone.
	count(ctx context.Context) (tally, error)
	close() error
}

// tally is what the limit left in its tables.
type tally struct{ orders, lines, events, payments, confirmed, sold int64 }

// check holds a tally against the orders that were done.
func (t tally) check(orders int64) error {
	return t.checkParts(map[string]int64{"orders": orders, "inventory": orders, "payments": orders})
}

// checkParts holds a tally against how often each module's part of an order was done.
func (t tally) checkParts(done map[string]int64) error {
	orders, holds, payments := done["orders"], done["inventory"], done["payments"]
	want := tally{
		orders: orders, lines: orders * perOrder, events: 2*orders + holds + payments,
		payments: payments, confirmed: orders, sold: holds * perOrder,
	}
	if t != want {
		return fmt.Errorf("the limit did not do the work it was measured for: it has %+v instead of %+v", t, want)
	}
	return nil
}

// The tables of the limit, with the indexes that the work itself needs and no more.
const (
	createOrders   = `CREATE TABLE limit_orders (id text NOT NULL PRIMARY KEY, number text NOT NULL UNIQUE, user_id text NOT NULL, status text NOT NULL, total bigint NOT NULL, address text NOT NULL, created_at timestamptz NOT NULL)`
	createLines    = `CREATE TABLE limit_lines (order_id text NOT NULL, sku text NOT NULL, quantity integer NOT NULL, amount bigint NOT NULL, PRIMARY KEY (order_id, sku))`
	createStock    = `CREATE TABLE limit_stock (sku text NOT NULL PRIMARY KEY, on_hand bigint NOT NULL CHECK (on_hand >= 0))`
	createPayments = `CREATE TABLE limit_payments (id text NOT NULL PRIMARY KEY, order_id text NOT NULL UNIQUE, amount bigint NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL)`
	createOutbox   = `CREATE TABLE limit_outbox_%s (id text NOT NULL PRIMARY KEY, aggregate_id text NOT NULL, version bigint NOT NULL, data text NOT NULL, sent_at timestamptz)`
	unsent         = `CREATE INDEX limit_outbox_%[1]s_unsent ON limit_outbox_%[1]s (id) WHERE sent_at IS NULL`
	address1       = `{"name":"Ada","line1":"1 Fig Lane","city":"Springfield","postal_code":"12345","country":"US"}`
	event1         = `{"order_id":"%s","user_id":"0192f0c1-2b1f-7c57-9c46-1d3a5c6f7a81","total":{"amount":4550,"currency":"USD"},"lines":3}`
)

// transaction is one of the four: where it is and what it does. The text of an
// argument says what stands for it.
type transaction struct {
	module     string
	statements []statement
}

type statement struct {
	sql  string // ? for arguments
	args []argument
}

type argument int

const (
	orderID argument = iota
	eventID
	payload
	skuA
	skuB
	skuC
)

func tx(module, event string, statements ...statement) transaction {
	return transaction{module, append(statements, statement{
		`INSERT INTO limit_outbox_` + module + ` (id, aggregate_id, version, data) VALUES (?, ?, ` + event + `, ?)`,
		[]argument{eventID, orderID, payload},
	})}
}

func take(a argument) statement {
	return statement{`UPDATE limit_stock SET on_hand = on_hand - 1 WHERE sku = ? AND on_hand >= 1`, []argument{a}}
}

// transactions of one order: 11 statements, so 19 round trips with BEGIN and COMMIT.
func transactions() []transaction {
	return []transaction{
		tx("orders", "1",
			statement{`INSERT INTO limit_orders (id, number, user_id, status, total, address, created_at) VALUES (?, ?, ?, 'pending', 4550, '` + address1 + `', CURRENT_TIMESTAMP)`, []argument{orderID, orderID, orderID}},
			statement{`INSERT INTO limit_lines (order_id, sku, quantity, amount) VALUES (?, ?, 1, 1500), (?, ?, 1, 1500), (?, ?, 1, 1550)`, []argument{orderID, skuA, orderID, skuB, orderID, skuC}}),
		tx("inventory", "1", take(skuA), take(skuB), take(skuC)),
		tx("payments", "1",
			statement{`INSERT INTO limit_payments (id, order_id, amount, status, created_at) VALUES (?, ?, 4550, 'authorised', CURRENT_TIMESTAMP)`, []argument{eventID, orderID}}),
		tx("orders", "2",
			statement{`UPDATE limit_orders SET status = 'confirmed' WHERE id = ? AND status = 'pending'`, []argument{orderID}}),
	}
}

// transactionsOf gives those of one module.
func transactionsOf(module string) []transaction {
	return slices.DeleteFunc(transactions(), func(t transaction) bool { return t.module != module })
}

// schema lists what each module of the limit makes.
func schema() map[string][]string {
	out := map[string][]string{
		"orders":    {createOrders, createLines},
		"inventory": {createStock},
		"payments":  {createPayments},
	}
	for module := range out {
		out[module] = append(out[module], fmt.Sprintf(createOutbox, module), fmt.Sprintf(unsent, module))
	}
	return out
}
