package story

import (
	"strings"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// Chapters of who people are, and of what is not theirs.

func accounts(w *writer) {
	w.chapter("People register and log in", true)
	w.customer("ada")
	w.get("ada", "/users/me")
	w.get("", "/users/me")
	w.do("", "GET /users/me", nil).with("Authorization", "Bearer nonsense")
	register := func(email, password, name string) {
		w.do("", "POST /users", object{"email": email, "password": password, "name": name})
	}
	register(w.email("ada"), shoptest.Password, "Again")
	register(strings.ToUpper(w.email("ada")), shoptest.Password, "Again")
	register("no address", shoptest.Password, "X")
	register("x."+w.slug+"@example.com", "short", "X")
	register("x."+w.slug+"@example.com", shoptest.Password, "")
	w.do("", "POST /users", object{"email": w.email("eve"), "password": shoptest.Password, "name": "Eve", "roles": []string{"admin"}})
	logIn := func(email, password string) *step {
		return w.do("", "POST /sessions", object{"email": email, "password": password})
	}
	logIn(w.email("ada"), "a wrong password")
	logIn("nobody."+w.slug+"@example.com", shoptest.Password)
	logIn("", "")
	logIn(strings.ToUpper(w.email("ada")), shoptest.Password).keeps("ada2", "access_token").keeps("r1", "refresh_token")
	refresh := func(token string) *step {
		return w.do("", "POST /sessions/refresh", object{"refresh_token": token})
	}
	refresh("{r1}").keeps("ada3", "access_token").keeps("r2", "refresh_token")
	w.get("ada3", "/users/me")
	refresh("{r2}").keeps("r3", "refresh_token")
	refresh("{r1}") // stolen: the family ends
	refresh("{r3}")
	refresh("nonsense")
	refresh("")
	logIn(w.email("ada"), shoptest.Password).keeps("ada4", "access_token").keeps("r4", "refresh_token")
	w.do("ada4", "DELETE /sessions/current", nil)
	refresh("{r4}")
	w.do("", "DELETE /sessions/current", nil)
	w.do("", "GET /users/me", nil).with("Authorization", "Basic YWRhOmFkYQ==")
	w.do("", "GET /users/me", nil).with("Authorization", "Bearer")
	w.do("", "GET /users/me", nil).with("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.")
}

func roles(w *writer) {
	w.chapter("Somebody becomes staff", false)
	w.customer("eve", "bob")
	w.do("eve", "POST /promotions", object{})
	w.steps = append(w.steps, step{App: []string{"user", "grant", w.email("eve"), "--role", "staff"}})
	w.steps = append(w.steps, step{App: []string{"user", "grant", "nobody." + w.slug + "@example.com", "--role", "staff"}})
	w.steps = append(w.steps, step{App: []string{"user", "grant", w.email("eve"), "--role", "emperor"}})
	w.get("eve", "/users/me", "/orders?all=true")
	w.do("", "POST /sessions", object{"email": w.email("eve"), "password": shoptest.Password}).keeps("staff", "access_token")
	w.get("staff", "/users/me")
	sage := w.sells("sage", 2300, 4)
	w.do("staff", "PUT /stock/"+sage, object{"on_hand": 6})
	w.promotes("staff", w.slug+"STAFF", "percent", 5, 0)
	w.puts("bob", sage, 1)
	w.orders("bob", "theirs", "tok_visa")
	w.confirmed("bob", "theirs")
	w.get("staff", "/orders/{theirs}", "/shipments/{theirs.shipment}")
	w.do("staff", "POST /shipments/{theirs.shipment}/dispatch", object{"carrier": "Banyan Post", "tracking_number": "BP-2"})
	w.becomes("staff", "theirs", "shipped")
	w.do("staff", "GET //sandbox/psp/charges?reference={theirs}", nil).Ops = true
	w.do("admin", "GET //sandbox/psp/charges?reference={theirs}", nil).Ops = true
	w.do("", "GET //sandbox/psp/charges?reference={theirs}", nil).Ops = true
	w.do("staff", "POST /orders/{theirs}/cancel", nil).keyed(w.slug + "-by-staff")
}

func strangers(w *writer) {
	w.chapter("What belongs to somebody else", true)
	w.customer("ada", "eve")
	aloe := w.sells("aloe", 1500, 9)
	w.puts("ada", aloe, 1)
	w.orders("ada", "hers", "tok_visa")
	w.confirmed("ada", "hers")
	w.paid("ada", "hers", "authorised")
	w.deposits("ada", "purse", 5000, "tok_visa").keeps("purse", "id").keeps("purse.payment", "payment_id")
	for _, as := range []string{"", "eve", "admin"} {
		w.get(as, "/orders/{hers}", "/payments/{hers.payment}", "/payments/{purse.payment}", "/shipments/{hers.shipment}")
	}
	for _, as := range []string{"", "eve"} {
		w.get(as, "/orders", "/orders?all=true", "/wallet", "/wallet/events", "/cart")
		w.do(as, "POST /orders/{hers}/cancel", nil).keyed("theft")
		w.do(as, "POST /payments/{hers.payment}/refunds", money(1)).keyed("theft")
		w.do(as, "POST /shipments/{hers.shipment}/dispatch", object{"carrier": "X", "tracking_number": "X"})
		w.do(as, "POST /shipments/{hers.shipment}/deliver", nil)
		w.withdraws(as, "theft", 100)
	}
	for _, path := range []string{"/orders/", "/payments/", "/shipments/"} {
		w.get("ada", path+"0197a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", path+"nonsense")
	}
	// Somebody else's key is another key.
	w.puts("eve", aloe, 2)
	w.do("eve", "POST /orders", shoptest.OrderBody("tok_visa")).keyed(w.slug+"-hers").keeps("his", "id")
	w.confirmed("eve", "his")
	w.get("ada", "/orders")
	w.get("eve", "/orders")
}

func nonsense(w *writer) {
	w.chapter("What the shop must not take", true)
	w.customer("ada")
	palm := w.sells("palm", 5000, 5)
	raw := func(as, do, body string) *step {
		s := w.do(as, do, nil).keyed("nonsense")
		s.Raw = body
		return s
	}
	for _, body := range []string{`{"quantity":1,"colour":"red"}`, `{"quantity":"1"}`, `{"quantity":1} {}`, `quantity=1`, `{"quantity":1.5}`, `{"quantity":1e30}`, `{"quantity":null}`, `[]`, `"x"`, `{`, ` `, `{"quantity":1,"quantity":2}`, `{"Quantity":1}`} {
		raw("ada", "PUT /cart/items/"+palm, body)
	}
	for _, quantity := range []int{0, -1, 100, 99, 1} {
		w.puts("ada", palm, quantity)
	}
	w.puts("ada", "no-such-thing", 1)
	w.puts("ada", "%00", 1)
	w.puts("ada", strings.Repeat("x", 300), 1)
	raw("ada", "POST /orders", `{}`)
	raw("ada", "POST /orders", `{"payment":{"method":"card","token":5}}`)
	w.orders("ada", "a", "tok_visa", object{"shipping_method": "pigeon"}).Keep = nil
	w.orders("ada", "b", "tok_visa", object{"payment": object{"method": "cash"}}).Keep = nil
	w.orders("ada", "c", "tok_visa", object{"payment": object{"method": "card"}}).Keep = nil
	w.orders("ada", "d", "tok_visa", object{"payment": object{"method": "wallet", "token": "tok_visa"}}).Keep = nil
	w.orders("ada", "e", "tok_visa", object{"shipping_address": object{"name": "", "line1": "", "line2": "", "city": "", "postal_code": "", "country": "England"}}).Keep = nil
	w.orders("ada", "f", "tok_visa", object{"total": 1}).Keep = nil
	w.orders("ada", "", "tok_visa").keyed("").Keep = nil
	w.orders("ada", "", "tok_visa").keyed(strings.Repeat("k", 300)).Keep = nil
	w.orders("ada", "g", "tok_visa").with("Prefer", "wait=-1").Keep = nil
	w.get("ada", "/orders?limit=0", "/orders?limit=x", "/orders?cursor=nonsense", "/orders?cursor=e30", "/orders?all=perhaps")
	w.do("ada", "DELETE /cart/items/"+palm, nil)
	w.do("ada", "DELETE /cart/items/"+palm, nil)
	w.get("ada", "/cart")
}

func moreNonsense(w *writer) {
	w.chapter("Money and promotions that cannot be", false)
	w.customer("ada")
	for _, cents := range []int{0, -5, 100_000_001} {
		w.deposits("ada", "d", cents, "tok_visa")
		w.withdraws("ada", "w", cents)
	}
	w.do("ada", "POST /wallet/deposits", object{"amount": object{"amount": 5, "currency": "EUR"}, "token": "tok_visa"}).keyed("e")
	w.do("ada", "POST /wallet/deposits", object{"amount": object{"amount": 5, "currency": "usd"}, "token": "tok_visa"}).keyed("f")
	w.do("ada", "POST /wallet/deposits", object{"amount": amount(5), "token": ""}).keyed("g")
	w.do("ada", "POST /wallet/deposits", object{"amount": amount(5), "token": "tok_visa"})
	w.do("ada", "POST /wallet/withdrawals", money(5))
	w.get("ada", "/wallet", "/wallet?at=yesterday", "/wallet?at=2020-01-01T00:00:00Z", "/wallet/events?limit=0", "/wallet/events?cursor=nonsense", "/wallet/statement", "/wallet/statement?from=2021-01-01T00:00:00Z&until=2020-01-01T00:00:00Z")
	code := func(suffix string) string { return strings.ToUpper(w.slug) + suffix }
	w.promotes("", code("A"), "percent", 10, 0)
	w.promotes("ada", code("A"), "percent", 10, 0)
	w.promotes("admin", code("A"), "percent", 101, 0)
	w.promotes("admin", code("A"), "percent", 0, 0)
	w.promotes("admin", code("A"), "gift", 10, 0)
	w.promotes("admin", code("A"), "percent", 10, -1)
	w.promotes("admin", code("A"), "percent", 10, 0, object{"ends_at": "2019-01-01T00:00:00Z"})
	w.promotes("admin", code("A"), "percent", 10, 0, object{"ends_at": "soon"})
	w.promotes("admin", code("A"), "fixed", 10, 0, object{"min_subtotal": object{"amount": 1, "currency": "EUR"}})
	w.promotes("admin", "no spaces please", "fixed", 10, 0)
	w.promotes("admin", "", "fixed", 10, 0)
	w.do("", "POST /payments/webhook", object{"id": "x"}).with("Sandbox-Signature", "t=1,v1=00")
	w.do("", "POST /payments/webhook", object{"id": "x"})
	w.do("admin", "POST /payments/nonsense/refunds", money(1)).keyed("h")
	w.do("admin", "POST /shipments/nonsense/dispatch", object{"carrier": "X", "tracking_number": "X"})
	w.do("admin", "POST /shipments/nonsense/deliver", nil)
}

func guests(w *writer) {
	w.chapter("A guest becomes a customer", true)
	w.customer("ada")
	tea, mint := w.sells("tea", 350, 50), w.sells("mint", 475, 50)
	w.do("", "GET /cart", nil).keeps("empty", "header X-Cart-Token")
	w.puts("", tea, 2).keeps("guest", "header X-Cart-Token")
	as := func(s *step) *step { return s.with("X-Cart-Token", "{guest}") }
	as(w.do("", "GET /cart", nil))
	as(w.puts("", mint, 98))
	as(w.puts("", tea, 3))
	as(w.puts("", "no-such-thing", 3))
	as(w.do("", "DELETE /cart/items/"+w.sku("nothing"), nil))
	w.do("", "GET /cart", nil).with("X-Cart-Token", "nonsense")
	w.puts("", tea, 2).with("X-Cart-Token", "nonsense")
	w.puts("ada", mint, 5)
	as(w.do("ada", "GET /cart", nil))
	as(w.do("", "POST /sessions", object{"email": w.email("ada"), "password": "a wrong password"}))
	as(w.do("", "GET /cart", nil))
	as(w.do("", "POST /sessions", object{"email": w.email("ada"), "password": shoptest.Password})).keeps("ada", "access_token")
	w.get("ada", "/cart")
	as(w.do("", "GET /cart", nil))
	as(w.puts("", tea, 1))
	w.do("", "POST /sessions", object{"email": w.email("ada"), "password": shoptest.Password}).with("X-Cart-Token", "nonsense")
	w.do("", "POST /sessions", object{"email": w.email("ada"), "password": shoptest.Password}).with("X-Cart-Token", "{empty}")
	as(w.orders("", "nobodys", "tok_visa")).Keep = nil
	w.get("ada", "/cart")
	w.do("ada", "DELETE /cart/items/"+mint, nil)
	w.orders("ada", "first", "tok_visa")
	w.confirmed("ada", "first")
	w.get("ada", "/orders")
}
