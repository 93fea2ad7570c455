package story

import "strings"

// Chapters of store credit.

func deposits(w *writer) {
	w.chapter("Wallets are filled by every card", true)
	w.customer("ada", "bob")
	w.get("ada", "/wallet", "/wallet/events")
	for _, token := range []string{"tok_visa", "tok_declined", "tok_insufficient_funds", "tok_flaky", "tok_lost_reply"} {
		w.deposits("ada", strings.ReplaceAll(token, "_", "-"), 2500, token)
		w.get("ada", "/wallet")
	}
	w.do("ada", "GET /wallet/events", nil).keeps("t2", "items.1.at").keeps("t3", "items.2.at")
	w.get("ada", "/wallet?at={t2}", "/wallet?at={t3}", "/wallet/events?limit=2")
	w.withdraws("ada", "a", 7501)
	w.withdraws("ada", "b", 7500)
	w.withdraws("ada", "c", 1)
	w.withdraws("bob", "d", 1)
	w.get("ada", "/wallet", "/wallet?at={t3}", "/wallet/events")
	w.await("ada", "/wallet/statement?from={t2}&until=2099-01-01T00:00:00Z", object{"behind": 0, "closing.amount": 0})
	w.get("bob", "/wallet", "/wallet/events")

	w.chapter("Wallets are filled by slow and broken cards", false)
	w.customer("ada")
	for _, token := range []string{"tok_slow", "tok_error", "tok_unheard_of"} {
		w.deposits("ada", strings.ReplaceAll(token, "_", "-"), 2500, token)
		w.get("ada", "/wallet")
	}
}

func walletOrders(w *writer) {
	w.chapter("Orders are paid from a wallet", true)
	w.customer("ada")
	vine := w.sells("vine", 1000, 50)
	w.puts("ada", vine, 2)
	w.orders("ada", "poor", "wallet")
	w.becomes("ada", "poor", "rejected")
	w.deposits("ada", "in", 10_000, "tok_visa")
	w.orders("ada", "held", "wallet")
	w.confirmed("ada", "held")
	w.get("ada", "/wallet", "/orders/{held}")
	w.withdraws("ada", "much", 9000)
	w.cancels("ada", "held")
	w.await("ada", "/wallet", object{"available.amount": 10_000})
	w.puts("ada", vine, 3)
	w.orders("ada", "taken", "wallet")
	w.confirmed("ada", "taken")
	w.dispatches("taken")
	w.await("ada", "/wallet/events", object{"items.5.type": "hold_captured"})
	w.delivers("taken")
	w.await("ada", "/wallet/events", object{"items.6.type": "cashback"})
	w.get("ada", "/wallet", "/orders/{taken}")
	w.puts("ada", vine, 99)
	w.orders("ada", "scarce", "wallet")
	w.becomes("ada", "scarce", "rejected")
	w.get("ada", "/wallet")
	w.puts("ada", vine, 20)
	w.orders("ada", "dear", "wallet")
	w.becomes("ada", "dear", "rejected")
	w.get("ada", "/wallet", "/cart")
	w.get("", "/stock/"+vine)
}
