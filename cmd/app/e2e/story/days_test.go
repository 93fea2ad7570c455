package story

import (
	"fmt"
	"math/rand/v2"
)

// days are chapters that a generator writes. Every seed is another day.
const days = 2

// day is what the generator knows of what it has written: enough to say what each
// step leads to.
type day struct {
	*writer
	random *rand.Rand
	people []string
	skus   []string
	stock  map[string]int // pieces that can be bought
	purse  map[string]int // at least so many cents are in a wallet
	events map[string]int // of a wallet
	orders []*bought
}

type bought struct {
	name, owner, status string
	sku                 string
	quantity            int
	refunds             int
}

const dayPieces = 12 // of each thing on a day

// day writes a day of three customers and the staff, as a seed has it.
func (w *writer) day(seed uint64) {
	w.chapter(fmt.Sprintf("A day in the shop, seed %d", seed), seed < 1)
	d := &day{writer: w, random: rand.New(rand.NewPCG(seed, 62)), people: []string{"ada", "bob", "cleo"}, stock: map[string]int{}, purse: map[string]int{}, events: map[string]int{}}
	w.customer(d.people...)
	for i, name := range []string{"x", "y"} {
		sku := w.sells(name, 500+d.random.IntN(3000)+i, dayPieces)
		d.skus = append(d.skus, sku)
		d.stock[sku] = dayPieces
	}
	for range 24 {
		d.act()
	}
	for _, sku := range d.skus {
		w.await("", "/stock/"+sku, object{"on_hand": d.stock[sku], "reserved": 0})
	}
	for _, who := range d.people {
		w.get(who, "/orders?limit=100")
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// act lets somebody do something.
func (d *day) act() {
	who, sku := pick(d.random, d.people...), pick(d.random, d.skus...)
	switch d.random.IntN(12) {
	case 0:
		d.get(pick(d.random, "", who), "/products/"+sku, "/prices/"+sku)
	case 1:
		d.quote(who, sku, 1+d.random.IntN(99), nil)
	case 2:
		cents, token := 100+d.random.IntN(30_000), pick(d.random, "tok_visa", "tok_declined", "tok_lost_reply")
		d.deposits(who, d.key("deposit"), cents, token)
		if token != "tok_declined" {
			d.credited(who, cents)
		}
	case 3:
		d.withdraws(who, d.key("much"), 10_000_000)
		if d.purse[who] > 0 {
			d.withdraws(who, d.key("little"), 1)
			d.credited(who, -1)
		}
		d.get(who, "/wallet")
	case 4, 5, 6:
		d.buys(who, sku, pick(d.random, "tok_visa", "tok_visa", "tok_lost_reply", "tok_flaky", "tok_declined", "tok_insufficient_funds"))
	case 7, 8:
		d.givesUp()
	case 9, 10:
		d.sends()
	case 11:
		d.meddles(who)
	}
}

// credited waits until a wallet has one event more, the one that opens it included.
func (d *day) credited(who string, cents int) {
	if d.events[who] == 0 {
		d.events[who] = 1
	}
	d.events[who]++
	d.purse[who] += cents
	d.await(who, "/wallet", object{"version": d.events[who]})
}

func (d *day) key(what string) string { return fmt.Sprintf("%s-%d", what, len(d.steps)) }

// buys orders one thing by card.
func (d *day) buys(who, sku, token string) {
	b := &bought{name: fmt.Sprintf("o%d", len(d.orders)+1), owner: who, sku: sku, quantity: 1 + d.random.IntN(5)}
	d.puts(who, sku, b.quantity)
	d.writer.orders(who, b.name, token)
	if d.random.IntN(3) == 0 {
		d.writer.orders(who, b.name, token)
	}
	d.orders = append(d.orders, b)
	switch {
	case token == "tok_declined" || token == "tok_insufficient_funds" || b.quantity > d.stock[sku]:
		b.status = "rejected"
		d.becomes(who, b.name, "rejected")
		d.do(who, "DELETE /cart/items/"+sku, nil)
	default:
		b.status = "confirmed"
		d.stock[sku] -= b.quantity
		d.confirmed(who, b.name)
		d.paid(who, b.name, "authorised")
	}
}

// any is an order with one of these statuses, nil where there is none.
func (d *day) any(statuses ...string) *bought {
	var some []*bought
	for _, b := range d.orders {
		for _, status := range statuses {
			if b.status == status {
				some = append(some, b)
			}
		}
	}
	if len(some) == 0 {
		return nil
	}
	return pick(d.random, some...)
}

// givesUp cancels an order, in time or too late.
func (d *day) givesUp() {
	b := d.any("confirmed", "confirmed", "shipped", "delivered", "cancelled", "rejected")
	if b == nil {
		return
	}
	d.do(pick(d.random, b.owner, "admin"), "POST /orders/{"+b.name+"}/cancel", nil).keyed(d.key("cancel"))
	if b.status == "confirmed" {
		b.status = "cancelled"
		d.stock[b.sku] += b.quantity
		d.paid(b.owner, b.name, "voided")
		d.await("", "/stock/"+b.sku, object{"available": d.stock[b.sku]})
		d.await(b.owner, "/shipments/{"+b.name+".shipment}", object{"status": "cancelled"})
	}
}

// sends moves a parcel on, or gives money back for one that arrived.
func (d *day) sends() {
	b := d.any("confirmed", "shipped", "delivered")
	switch {
	case b == nil:
	case b.status == "confirmed":
		b.status = "shipped"
		d.dispatches(b.name)
		d.paid(b.owner, b.name, "captured")
	case b.status == "shipped" && d.random.IntN(3) > 0:
		b.status = "delivered"
		d.delivers(b.name)
		d.credited(b.owner, 5) // cashback: no less, of the cheapest
	default:
		d.do("admin", "POST /payments/{"+b.name+".payment}/refunds", money(1+d.random.IntN(400))).keyed(d.key("refund"))
		entries := map[string]int{"shipped": 4, "delivered": 5}[b.status] + b.refunds
		d.await(b.owner, "/orders/{"+b.name+"}", object{fmt.Sprintf("history.%d.detail", entries): "*"})
		b.refunds++
	}
}

// meddles tries what one may not.
func (d *day) meddles(who string) {
	b := d.any("confirmed", "shipped", "delivered", "cancelled", "rejected")
	if b == nil {
		return
	}
	switch d.random.IntN(4) {
	case 0:
		d.get(who, "/orders/{"+b.name+"}")
	case 1:
		d.do("bob", "POST /orders/{"+b.name+"}/cancel", nil)
	case 2:
		d.do(who, "POST /payments/nonsense/refunds", money(100)).keyed("m")
	case 3:
		d.puts(who, b.sku, 1000)
	}
}
