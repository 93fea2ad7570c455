package story

import (
	"strings"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// Chapters of checkouts, cancellations and parcels.

func cards(w *writer) {
	w.chapter("Every card", true)
	w.customer("ada")
	rose := w.sells("rose", 1999, 40)
	for _, token := range []string{"tok_visa", "tok_declined", "tok_insufficient_funds", "tok_flaky", "tok_lost_reply", "tok_unheard_of"} {
		name := strings.ReplaceAll(token, "_", "-")
		w.puts("ada", rose, 2)
		w.orders("ada", name, token)
		w.settled("ada", name, token)
	}
	w.puts("ada", rose, 1)
	w.orders("ada", "waited", "tok_visa").with("Prefer", "wait=10")
	w.confirmed("ada", "waited")
	w.orders("ada", "nothing", "tok_visa").with("Prefer", "wait=10")
	w.get("", "/stock/"+rose)
	w.get("ada", "/orders?limit=3", "/orders")
	w.do("ada", "GET /orders?limit=3", nil).keeps("more", "next_cursor")
	w.get("ada", "/orders?limit=3&cursor={more}")

	w.chapter("Slow and broken cards", false)
	w.customer("ada")
	lily := w.sells("lily", 1999, 40)
	for _, token := range []string{"tok_slow", "tok_error"} {
		name := strings.ReplaceAll(token, "_", "-")
		w.puts("ada", lily, 3)
		w.orders("ada", name, token)
		w.settled("ada", name, token)
	}
	w.puts("ada", lily, 1)
	far := shoptest.OrderBody("tok_visa")["shipping_address"].(object)
	far["country"] = "AQ"
	w.orders("ada", "far", "tok_visa", object{"shipping_address": far})
	w.becomes("ada", "far", "rejected")
	w.get("", "/stock/"+lily)
}

// settled waits for what a card leads to.
func (w *writer) settled(as, name, token string) {
	switch token {
	case "tok_visa", "tok_flaky", "tok_slow", "tok_lost_reply":
		w.confirmed(as, name)
		w.paid(as, name, "authorised")
	default:
		w.becomes(as, name, "rejected")
		w.get(as, "/cart")
	}
}

func repeats(w *writer) {
	w.chapter("The same again", true)
	w.customer("ada")
	oak := w.sells("oak", 8000, 30)
	w.puts("ada", oak, 1)
	w.orders("ada", "once", "tok_visa")
	w.orders("ada", "once", "tok_visa")
	w.orders("ada", "once", "tok_declined").Keep = nil
	w.confirmed("ada", "once")
	w.orders("ada", "once", "tok_visa")
	w.do("ada", "POST /wallet/withdrawals", money(5)).keyed(w.slug + "-once") // one key, another route
	w.cancels("ada", "once")
	w.cancels("ada", "once")
	w.do("ada", "POST /orders/{once}/cancel", object{"why": "x"}).keyed(w.slug + "-cancel-once")
	w.paid("ada", "once", "voided")
	w.orders("ada", "once", "tok_visa")
	w.puts("ada", oak, 3)
	w.orders("ada", "twice", "tok_visa").with("Prefer", "wait=10")
	w.orders("ada", "twice", "tok_visa").with("Prefer", "wait=10")
	w.orders("ada", "twice", "tok_visa")
	w.confirmed("ada", "twice")
	for range 2 {
		w.deposits("ada", "in", 700, "tok_visa")
		w.deposits("ada", "no", 700, "tok_declined")
		w.withdraws("ada", "out", 300)
		w.withdraws("ada", "much", 900)
		w.get("ada", "/wallet")
	}
	w.deposits("ada", "in", 701, "tok_visa")
	w.withdraws("ada", "out", 299)
	w.deposits("ada", "no", 700, "tok_visa")
	w.paid("ada", "twice", "authorised")
	w.dispatches("twice")
	w.paid("ada", "twice", "captured")
	refund := func(name string, cents int) {
		w.do("admin", "POST /payments/{twice.payment}/refunds", money(cents)).keyed(w.slug + "-" + name)
	}
	refund("back", 1000)
	w.await("ada", "/orders/{twice}", object{"history.4.detail": "refunded 10.00 USD"})
	refund("back", 1000)
	refund("back", 1001)
	refund("all", 1_000_000)
	refund("all", 1_000_000)
	w.paid("ada", "twice", "refunded")
}

func promotions(w *writer) {
	w.chapter("Promotions", true)
	w.customer("ada", "bob")
	yew := w.sells("yew", 2000, 60)
	code := strings.ToUpper(w.slug)
	w.promotes("admin", code+"TEN", "percent", 10, 0)
	w.promotes("admin", code+"ten", "percent", 10, 0)
	w.promotes("admin", code+"FIVE", "fixed", 500, 2, object{"min_subtotal": amount(3000)})
	w.promotes("admin", code+"PAST", "fixed", 500, 0, object{"ends_at": "2021-01-01T00:00:00Z"})
	w.promotes("admin", code+"SOON", "fixed", 500, 0, object{"starts_at": "2098-01-01T00:00:00Z"})
	w.promotes("admin", code+"FREE", "percent", 100, 1)
	for _, suffix := range []string{"TEN", "ten", "FIVE", "PAST", "SOON", "FREE", "NONE"} {
		w.quote("ada", yew, 1, code+suffix)
		w.quote("ada", yew, 3, code+suffix)
	}
	asks := func(as, name string, quantity int, promo string) {
		w.puts(as, yew, quantity)
		w.orders(as, name, "tok_visa", object{"promo_code": promo})
	}
	buys := func(as, name string, quantity int, promo string) {
		asks(as, name, quantity, promo)
		w.confirmed(as, name)
	}
	fails := func(as, name string, quantity int, promo string) {
		asks(as, name, quantity, promo)
		w.becomes(as, name, "rejected")
	}
	buys("ada", "ten", 3, code+"TEN")
	fails("ada", "little", 1, code+"FIVE")
	buys("ada", "five", 2, code+"FIVE")
	buys("bob", "five-too", 2, code+"FIVE")
	fails("bob", "five-late", 2, code+"FIVE")
	w.cancels("ada", "five")
	w.paid("ada", "five", "voided")
	w.await("bob", "/cart", object{"lines.0.quantity": 2})
	buys("bob", "five-again", 2, code+"FIVE")
	fails("ada", "past", 2, code+"PAST")
	fails("ada", "none", 2, code+"NONE")
	buys("ada", "free", 1, code+"FREE")
	fails("bob", "free-late", 1, code+"FREE")
	w.quote("bob", yew, 1, code+"FREE")
}

func parcels(w *writer) {
	w.chapter("Parcels are sent, and money is given back", true)
	w.customer("ada")
	elm := w.sells("elm", 2500, 60)
	w.puts("ada", elm, 4)
	w.orders("ada", "one", "tok_visa")
	w.confirmed("ada", "one")
	w.paid("ada", "one", "authorised")
	refund := func(as, key string, cents int) {
		w.do(as, "POST /payments/{one.payment}/refunds", money(cents)).keyed(w.slug + key)
	}
	refund("admin", "early", 100)
	w.do("admin", "POST /shipments/{one.shipment}/deliver", nil)
	w.do("admin", "POST /shipments/{one.shipment}/dispatch", object{"carrier": "", "tracking_number": ""})
	w.dispatches("one")
	w.paid("ada", "one", "captured")
	w.get("ada", "/shipments/{one.shipment}")
	w.do("admin", "POST /shipments/{one.shipment}/dispatch", object{"carrier": "Banyan Post", "tracking_number": "BP-ONE"})
	w.do("admin", "POST /shipments/{one.shipment}/dispatch", object{"carrier": "Another", "tracking_number": "X"})
	w.cancels("ada", "one")
	w.cancels("admin", "one")
	w.delivers("one")
	w.do("admin", "POST /shipments/{one.shipment}/deliver", nil)
	w.get("ada", "/shipments/{one.shipment}")
	w.await("ada", "/wallet", object{"version": 2})
	w.get("ada", "/wallet/events")
	refund("ada", "a", 100)
	refund("admin", "a", 0)
	refund("admin", "b", 100)
	w.do("admin", "POST /payments/{one.payment}/refunds", object{"amount": object{"amount": 5, "currency": "EUR"}}).keyed("c")
	refund("admin", "d", 1_000_000)
	w.do("admin", "POST /payments/{one.payment}/refunds", money(1))
	w.await("ada", "/orders/{one}", object{"history.5.detail": "refunded 1.00 USD"})
	refund("admin", "e", 50)
	w.await("ada", "/orders/{one}", object{"history.6.detail": "refunded 0.50 USD"})
	w.paid("ada", "one", "refunded")
	w.puts("ada", elm, 1)
	w.orders("ada", "two", "tok_lost_reply", object{"shipping_method": "express"})
	w.confirmed("ada", "two")
	w.dispatches("two")
	w.paid("ada", "two", "captured")
	w.delivers("two")
	w.await("ada", "/wallet", object{"version": 3})
	w.get("", "/stock/"+elm)
}

func changedMinds(w *writer) {
	w.chapter("Orders are cancelled", false)
	w.customer("ada", "bob")
	fir := w.sells("fir", 1111, 10)
	for _, token := range []string{"tok_visa", "tok_lost_reply"} {
		name := strings.ReplaceAll(token, "_", "-")
		w.puts("ada", fir, 4)
		w.orders("ada", name, token)
		w.confirmed("ada", name)
		w.get("", "/stock/"+fir)
		w.cancels("ada", name)
		w.paid("ada", name, "voided")
		w.await("", "/stock/"+fir, object{"available": 10})
		w.await("ada", "/shipments/{"+name+".shipment}", object{"status": "cancelled"})
		w.do("admin", "POST /shipments/{"+name+".shipment}/dispatch", object{"carrier": "Banyan Post", "tracking_number": "BP-3"})
		w.get("ada", "/orders/{"+name+"}")
		w.do("ada", "POST /orders/{"+name+"}/cancel", nil).keyed(w.slug + "-again-" + name)
	}
	w.puts("bob", fir, 11)
	w.orders("bob", "too-many", "tok_visa")
	w.becomes("bob", "too-many", "rejected")
	w.cancels("bob", "too-many")
	w.puts("bob", fir, 2)
	w.orders("bob", "by-staff", "tok_visa")
	w.confirmed("bob", "by-staff")
	w.cancels("admin", "by-staff")
	w.paid("bob", "by-staff", "voided")
	w.do("bob", "POST /orders/{by-staff}/cancel", nil)
	w.do("bob", "POST /orders/nonsense/cancel", nil).keyed("n")
	w.await("", "/stock/"+fir, object{"available": 10})
	w.get("bob", "/orders")
}

func lastUnit(w *writer) {
	w.chapter("Two want the last one", true)
	for round, kind := range []string{"ash", "box"} {
		w.customer("a"+kind, "b"+kind)
		sku := w.sells(kind, 3000+round, 1)
		w.puts("a"+kind, sku, 1)
		w.puts("b"+kind, sku, 1)
		first, late := kind+"-first", kind+"-late"
		w.race([]string{first, late}, w.racing("a"+kind), w.racing("b"+kind))
		w.confirmed(first, first+".order")
		w.get(late, "/cart", "/orders/{"+late+".order}")
		w.get("", "/stock/"+sku)
		w.cancels(first, first+".order")
		w.await("", "/stock/"+sku, object{"available": 1})
		w.orders(late, kind+"-second", "tok_visa")
		w.confirmed(late, kind+"-second")
		w.get("", "/stock/"+sku)
	}
}

// racing is an order that is kept under the racer's name.
func (w *writer) racing(as string, changes ...object) *step {
	s := w.orders(as, "race-"+as, "tok_visa", changes...).with("Prefer", "wait=10")
	s.Keep = nil
	return s.keeps("order", "id")
}

func races(w *writer) {
	w.chapter("Who comes first", false)
	w.customer("ana", "ben", "cleo", "dan")
	sku := w.sells("gum", 900, 100)
	code := strings.ToUpper(w.slug) + "LAST"
	w.promotes("admin", code, "percent", 50, 1)
	w.puts("ana", sku, 2)
	w.puts("ben", sku, 2)
	w.race([]string{"winner", "loser"}, w.racing("ana", object{"promo_code": code}), w.racing("ben", object{"promo_code": code}))
	w.confirmed("winner", "winner.order")
	w.get("loser", "/orders/{loser.order}")
	// One key at once: one order.
	w.puts("cleo", sku, 1)
	var same []*step
	for range 6 {
		s := w.orders("cleo", "same", "tok_visa")
		same = append(same, s)
	}
	w.raceOf("same", same)
	w.confirmed("cleo", "same")
	w.get("cleo", "/orders")
	// More is taken out than there is.
	w.deposits("dan", "in", 1000, "tok_visa")
	w.race(nil, w.withdraws("dan", "w1", 700), w.withdraws("dan", "w2", 700))
	w.get("dan", "/wallet", "/wallet/events")
	w.deposits("dan", "more", 400, "tok_visa")
	w.race(nil, w.withdraws("dan", "w3", 700), w.withdraws("dan", "w3", 700), w.withdraws("dan", "w3", 700))
	w.get("dan", "/wallet")
	// Two write one product.
	w.do("admin", "GET /products/"+sku, nil).keeps("seen", "header Etag")
	edit := func() *step {
		return w.do("admin", "PUT /products/"+sku, object{"handle": sku, "title": "Edited " + w.slug, "variants": []object{{"sku": sku, "weight_grams": 701}}}).with("If-Match", "{seen}")
	}
	w.race(nil, edit(), edit())
	w.get("", "/products/"+sku)
	// Two register with one address.
	twin := func() *step {
		return w.do("", "POST /users", object{"email": w.email("twin"), "password": shoptest.Password, "name": "Twin"})
	}
	w.race(nil, twin(), twin())
	w.race(nil, w.promotes("admin", code+"2", "percent", 1, 0), w.promotes("admin", code+"2", "percent", 1, 0))
}

// raceOf is a race of one with itself, of which everybody gets the same.
func (w *writer) raceOf(name string, steps []*step) {
	for _, s := range steps {
		s.Keep = nil
	}
	w.race(nil, steps...)
	w.await("cleo", "/orders", object{"items.0.status": "confirmed", "items.0.shipment_id": "*"}).keeps(name, "items.0.id")
}
