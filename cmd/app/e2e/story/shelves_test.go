package story

// Chapters of those who look and of those who fill the shelves.

func browsing(w *writer) {
	w.chapter("Somebody looks around", true)
	fern, moss := w.sells("fern", 1250, 20), w.sells("moss", 400, 0)
	w.do("", "GET /products?vendor=Green%20Ledger%20Nursery&limit=2", nil).keeps("more", "next_cursor")
	w.get("", "/products?vendor=Green%20Ledger%20Nursery&limit=2&cursor={more}")
	w.await("", "/search?q=story+c01", object{"total": 2, "items.0.in_stock": true, "items.1.in_stock": false})
	w.get("",
		"/products/fiddle-leaf-fig", "/products/"+fern, "/products/"+moss, "/products/no-such-thing",
		"/products?tag=c01", "/products?category=Stories&vendor=Vendor%20c01", "/products?vendor=Nobody",
		"/products?limit=0", "/products?limit=101", "/products?limit=x", "/products?cursor=nonsense", "/products?status=draft",
		"/prices/"+fern, "/prices/no-such-thing", "/stock/"+fern, "/stock/no-such-thing",
		"/search?q=c01+fern", "/search?q=c01+fren", "/search?q=c01&in_stock=true", "/search?q=c01&in_stock=false",
		"/search?q=c01&sort=price", "/search?q=c01&sort=-price", "/search?q=c01&sort=newest", "/search?q=c01&sort=best",
		"/search?q=c01&min_price=500", "/search?q=c01&max_price=500", "/search?q=c01&min_price=9&max_price=1", "/search?q=c01&min_price=-1",
		"/search?q=c01&vendor=Vendor%20c01&category=Stories", "/search?q=c01&limit=1", "/search?q=c01&limit=200", "/search?q=c01&cursor=nonsense",
		"/search?q=%22fern%22+OR+1%3D1", "/search/suggestions?q=fiddle", "/search/suggestions", "/search/suggestions?q=fi&limit=99",
		"/shipping/rates?country=US", "/shipping/rates?country=DE&weight_grams=700", "/shipping/rates?country=XX", "/shipping/rates", "/shipping/rates?country=USA&weight_grams=-1",
		"/nowhere", "//nowhere", "//.well-known/openid-configuration",
	)
	w.do("", "DELETE /products", nil)
	w.do("", "PATCH /products/"+fern, object{})
	w.quote("", fern, 3, nil)
	w.do("", "POST /quotes", object{"items": []object{{"sku": fern, "quantity": 1}, {"sku": moss, "quantity": 2}}, "country": "DE", "shipping_method": "express", "promo_code": ""})
	w.quote("", "no-such-thing", 1, nil)
	w.quote("", fern, 0, nil)
	w.quote("", fern, 100, nil)
	w.quote("", fern, 1, "NOSUCHCODE")
	w.do("", "POST /quotes", object{"items": []object{}, "country": "us", "shipping_method": "pigeon", "promo_code": nil})
	w.do("", "POST /quotes", object{"items": []object{{"sku": fern, "quantity": 1}, {"sku": fern, "quantity": 2}}, "country": "US", "shipping_method": "standard", "promo_code": nil})
	w.do("", "POST /quotes", object{"items": []object{{"sku": fern, "quantity": 1}}, "country": "AQ", "shipping_method": "express", "promo_code": nil})
}

func assortment(w *writer) {
	w.chapter("Staff change what is sold", true)
	w.customer("ada")
	draft := w.sku("draft")
	product := object{
		"handle": draft, "title": "A draft <b>c02</b>", "description_html": "<p onclick=\"x()\">Fine</p><script>alert(1)</script>", "vendor": "Vendor c02", "category": "Stories",
		"tags": []string{"B", "a", "a"}, "images": []object{{"src": "https://example.com/a.png", "alt": "A"}},
		"variants": []object{{"sku": w.sku("small"), "options": []object{{"name": "Size", "value": "Small"}}, "weight_grams": 100, "barcode": "12345"}, {"sku": w.sku("large"), "options": []object{{"name": "Size", "value": "Large"}}, "weight_grams": 900}},
	}
	change := func(key string, value any) object {
		out := object{}
		for k, v := range product {
			out[k] = v
		}
		out[key] = value
		return out
	}
	w.do("", "POST /products", product)
	w.do("ada", "POST /products", product)
	w.do("admin", "POST /products", product).keeps("seen", "header Etag")
	w.do("admin", "POST /products", product)
	w.do("admin", "POST /products", change("handle", w.sku("other")))
	w.do("admin", "POST /products", change("handle", "Not A Handle!"))
	w.do("admin", "POST /products", change("images", []object{{"src": "javascript:alert(1)"}}))
	w.do("admin", "POST /products", change("variants", []object{}))
	w.do("admin", "POST /products", change("title", ""))
	w.get("", "/products/"+draft)
	w.get("ada", "/products/"+draft)
	w.get("admin", "/products/"+draft, "/products?status=draft&vendor=Vendor%20c02")
	w.get("ada", "/products?status=draft&vendor=Vendor%20c02")
	w.do("admin", "PUT /products/"+draft, change("title", "Second c02")).with("If-Match", "{seen}").keeps("second", "header Etag")
	w.do("admin", "PUT /products/"+draft, change("title", "Late c02")).with("If-Match", "{seen}")
	w.do("admin", "PUT /products/"+draft, change("title", "Third c02")).with("If-Match", "{second}").keeps("third", "header Etag")
	w.do("admin", "PUT /products/"+draft, change("title", "Third c02"))
	w.do("admin", "PUT /products/"+draft, change("handle", "another"))
	w.do("admin", "PUT /products/"+draft, change("title", "X")).with("If-Match", "nonsense")
	w.do("admin", "PUT /products/no-such-thing", change("handle", "no-such-thing"))
	w.do("ada", "PUT /products/"+draft, product)
	w.do("ada", "POST /products/"+draft+"/publish", nil)
	w.do("admin", "POST /products/"+draft+"/publish", nil).with("If-Match", "{second}")
	w.do("admin", "POST /products/"+draft+"/publish", nil).with("If-Match", "{third}")
	w.do("admin", "POST /products/"+draft+"/publish", nil)
	w.do("admin", "POST /products/no-such-thing/publish", nil)
	w.get("", "/products/"+draft)
	w.do("admin", "PUT /prices/"+w.sku("small"), object{"price": amount(1000), "compare_at_price": amount(1500)})
	w.do("admin", "PUT /prices/"+w.sku("large"), object{"price": amount(3000), "compare_at_price": nil})
	w.do("admin", "PUT /stock/"+w.sku("large"), object{"on_hand": 5})
	w.await("", "/search?q=third+c02", object{"total": 1, "items.0.in_stock": true, "items.0.price.amount": 1000})
	w.get("", "/products/"+draft)
	w.do("admin", "PUT /products/"+draft, change("variants", []object{{"sku": w.sku("large"), "options": []object{{"name": "Size", "value": "Huge"}}, "weight_grams": 950}}))
	w.puts("ada", w.sku("small"), 1)
	w.puts("ada", w.sku("large"), 2)
	w.await("", "/search?q=draft+c02", object{"total": 1, "items.0.price.amount": 3000})
	w.do("admin", "POST /products/"+draft+"/archive", nil)
	w.do("admin", "POST /products/"+draft+"/archive", nil)
	w.get("", "/products/"+draft)
	w.await("", "/search?q=c02+draft", object{"total": 0})
	w.get("ada", "/cart")
	w.puts("ada", w.sku("large"), 3)
	w.orders("ada", "gone", "tok_visa")
	w.becomes("ada", "gone", "rejected")
	w.do("admin", "POST /products/"+draft+"/publish", nil)
	w.get("admin", "/products/"+draft)
}

func prices(w *writer) {
	w.chapter("Prices and stock change under a cart", false)
	w.customer("ada")
	ivy := w.sells("ivy", 999, 3)
	for _, as := range []string{"", "ada"} {
		w.do(as, "PUT /prices/"+ivy, object{"price": amount(1), "compare_at_price": nil})
		w.do(as, "PUT /stock/"+ivy, object{"on_hand": 1})
	}
	w.puts("ada", ivy, 2)
	w.do("admin", "PUT /prices/"+ivy, object{"price": amount(1001), "compare_at_price": amount(1100)})
	w.do("admin", "PUT /prices/"+ivy, object{"price": amount(1001), "compare_at_price": amount(1100)})
	w.get("ada", "/cart", "/prices/"+ivy)
	w.do("admin", "PUT /prices/"+ivy, object{"price": amount(-1), "compare_at_price": nil})
	w.do("admin", "PUT /prices/"+ivy, object{"price": object{"amount": 5, "currency": "EUR"}, "compare_at_price": nil})
	w.do("admin", "PUT /prices/"+ivy, object{"price": object{"amount": 5, "currency": "nonsense"}, "compare_at_price": nil})
	w.do("admin", "PUT /prices/"+ivy, object{"price": object{"amount": 5.5, "currency": "USD"}, "compare_at_price": nil})
	w.do("admin", "PUT /prices/"+ivy, object{"price": nil, "compare_at_price": nil})
	w.do("admin", "PUT /stock/"+ivy, object{"on_hand": -1})
	w.do("admin", "PUT /stock/"+ivy, object{"on_hand": "3"})
	w.do("admin", "PUT /stock/"+ivy, object{"on_hand": 1})
	w.orders("ada", "scarce", "tok_visa")
	w.becomes("ada", "scarce", "rejected")
	w.do("admin", "PUT /stock/"+ivy, object{"on_hand": 2})
	w.orders("ada", "enough", "tok_visa")
	w.confirmed("ada", "enough")
	w.get("", "/stock/"+ivy)
	w.do("admin", "PUT /prices/"+ivy, object{"price": amount(1), "compare_at_price": nil})
	w.get("ada", "/orders/{enough}")
	w.do("admin", "PUT /prices/"+w.sku("unborn"), object{"price": amount(700), "compare_at_price": nil})
	w.do("admin", "PUT /stock/"+w.sku("unborn"), object{"on_hand": 7})
	w.get("", "/prices/"+w.sku("unborn"), "/stock/"+w.sku("unborn"), "/products/"+w.sku("unborn"))
	w.puts("ada", w.sku("unborn"), 1)
	w.sells("unborn", 800, 8)
	w.puts("ada", w.sku("unborn"), 1)
	w.await("", "/search?q=unborn+"+w.slug, object{"total": 1, "items.0.price.amount": 800, "items.0.in_stock": true})
	w.do("admin", "PUT /products/"+w.sku("unborn"), object{"handle": w.sku("unborn"), "title": "Reborn " + w.slug, "variants": []object{{"sku": w.sku("unborn"), "weight_grams": 90000}}})
	w.quote("ada", w.sku("unborn"), 1, nil)
	w.quote("ada", w.sku("unborn"), 9, nil)
	w.orders("ada", "heavy", "tok_visa", object{"shipping_method": "express"})
	w.confirmed("ada", "heavy")
}
