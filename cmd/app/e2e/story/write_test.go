package story

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

type object = shoptest.Object

// writer writes the script. What it writes depends on nothing but its own code, so
// that the script is the same on every machine.
type writer struct {
	steps []step
	n     int    // chapters
	slug  string // begins the names of all goods and people of this chapter
}

// write writes the whole story.
func write() []step {
	w := &writer{}
	for _, chapter := range []func(*writer){
		browsing, assortment, accounts, guests, cards, deposits, walletOrders, repeats, promotions, parcels,
		changedMinds, lastUnit, races, strangers, nonsense, moreNonsense, prices, roles,
	} {
		chapter(w)
	}
	for seed := range uint64(days) {
		w.day(seed)
	}
	return w.steps
}

// chapter begins one, with a log-in of the admin. A sample is told at the small
// size, too.
func (w *writer) chapter(title string, sample bool) {
	w.n++
	w.slug = fmt.Sprintf("c%02d", w.n)
	w.steps = append(w.steps, step{Chapter: w.slug + " " + title, Sample: sample})
	w.do("", "POST /sessions", object{"email": "admin@banyan.example", "password": "{admin-password}"}).keeps("admin", "access_token")
}

// keeps adds to the last step what is kept of its answer.
func (s *step) keeps(name, path string) *step {
	if s.Keep == nil {
		s.Keep = map[string]string{}
	}
	s.Keep[name] = path
	return s
}

func (s *step) with(header, value string) *step {
	if s.Headers == nil {
		s.Headers = map[string]string{}
	}
	s.Headers[header] = value
	return s
}

func (s *step) keyed(key string) *step {
	s.Key = key
	return s
}

// do adds one request; nobody asks where as is empty.
func (w *writer) do(as, do string, body any) *step {
	w.steps = append(w.steps, step{As: as, Do: do, Body: plain(body)})
	return &w.steps[len(w.steps)-1]
}

func (w *writer) get(as string, paths ...string) {
	for _, path := range paths {
		w.do(as, "GET "+path, nil)
	}
}

// await asks until this is so.
func (w *writer) await(as, path string, until object) *step {
	s := w.do(as, "GET "+path, nil)
	s.Until = plain(until).(map[string]any)
	return s
}

func (w *writer) race(rank []string, steps ...*step) {
	s := step{Rank: rank}
	for _, each := range steps {
		s.Race = append(s.Race, *each)
	}
	w.steps = append(w.steps[:len(w.steps)-len(steps)], s)
}

// plain is a value as JSON makes it.
func plain(v any) (out any) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic(err) // the chapters hold plain data
	}
	return out
}

// customer registers somebody and logs in.
func (w *writer) customer(names ...string) {
	for _, name := range names {
		email := name + "." + w.slug + "@example.com"
		w.do("", "POST /users", object{"email": email, "password": shoptest.Password, "name": "Somebody"}).keeps(name+".id", "id").keeps(name+".email", "email")
		w.do("", "POST /sessions", object{"email": email, "password": shoptest.Password}).keeps(name, "access_token")
	}
}

func (w *writer) email(name string) string { return name + "." + w.slug + "@example.com" }

// sku is a thing of this chapter.
func (w *writer) sku(name string) string { return w.slug + "-" + name }

// sells puts a new product of one variant on the shelf and gives its SKU.
func (w *writer) sells(name string, cents, pieces int) string {
	sku := w.sku(name)
	w.do("admin", "POST /products", object{
		"handle": sku, "title": "Story " + name + " " + w.slug, "vendor": "Vendor " + w.slug, "category": "Stories", "tags": []string{w.slug},
		"variants": []object{{"sku": sku, "title": "One", "weight_grams": 700}},
	})
	w.do("admin", "PUT /prices/"+sku, object{"price": amount(cents), "compare_at_price": nil})
	w.do("admin", "PUT /stock/"+sku, object{"on_hand": pieces})
	w.do("admin", "POST /products/"+sku+"/publish", nil)
	return sku
}

func amount(cents int) object { return shoptest.Amount(int64(cents)) }

func money(cents int) object { return object{"amount": amount(cents)} }

func (w *writer) puts(as, sku string, quantity int) *step {
	return w.do(as, "PUT /cart/items/"+sku, object{"quantity": quantity})
}

// orders orders the cart under a name, and does not wait.
func (w *writer) orders(as, name, token string, changes ...object) *step {
	body := shoptest.OrderBody(token)
	for _, change := range changes {
		for key := range change {
			body[key] = change[key]
		}
	}
	return w.do(as, "POST /orders", body).keyed(w.slug+"-"+name).keeps(name, "id")
}

// confirmed waits until an order is, has its shipment, and has emptied the cart.
func (w *writer) confirmed(as, name string) {
	w.await(as, "/orders/{"+name+"}", object{"status": "confirmed", "shipment_id": "*"}).keeps(name+".shipment", "shipment_id")
	w.await(as, "/cart", object{"lines": []any{}})
}

func (w *writer) becomes(as, name, status string) *step {
	return w.await(as, "/orders/{"+name+"}", object{"status": status})
}

// paid keeps the payment's id of an order.
func (w *writer) paid(as, name, status string) {
	w.do(as, "GET /orders/{"+name+"}", nil).keeps(name+".payment", "payment_id")
	w.await(as, "/payments/{"+name+".payment}", object{"status": status})
}

func (w *writer) cancels(as, name string) *step {
	return w.do(as, "POST /orders/{"+name+"}/cancel", nil).keyed(w.slug + "-cancel-" + name)
}

func (w *writer) dispatches(name string) {
	w.do("admin", "POST /shipments/{"+name+".shipment}/dispatch", object{"carrier": "Banyan Post", "tracking_number": "BP-" + strings.ToUpper(name)})
	w.becomes("admin", name, "shipped")
}

func (w *writer) delivers(name string) {
	w.do("admin", "POST /shipments/{"+name+".shipment}/deliver", nil)
	w.becomes("admin", name, "delivered")
}

func (w *writer) deposits(as, name string, cents int, token string) *step {
	return w.do(as, "POST /wallet/deposits", shoptest.DepositBody(int64(cents), token)).keyed(w.slug + "-" + name)
}

func (w *writer) withdraws(as, name string, cents int) *step {
	return w.do(as, "POST /wallet/withdrawals", money(cents)).keyed(w.slug + "-" + name)
}

func (w *writer) quote(as, sku string, quantity int, promo any) *step {
	return w.do(as, "POST /quotes", object{"items": []object{{"sku": sku, "quantity": quantity}}, "country": "US", "shipping_method": "standard", "promo_code": promo})
}

func (w *writer) promotes(as, code, kind string, value, limit int, changes ...object) *step {
	body := object{"code": code, "kind": kind, "value": value, "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z", "min_subtotal": nil, "usage_limit": limit}
	for _, change := range changes {
		for key := range change {
			body[key] = change[key]
		}
	}
	return w.do(as, "POST /promotions", body)
}
