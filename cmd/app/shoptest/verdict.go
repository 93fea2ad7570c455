package shoptest

import (
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Verdict is what became of all orders of a shop, also of those whose buyers
// never came back for an answer.
type Verdict struct {
	Orders, Confirmed int            // the shipped ones are confirmed too
	Discounted        int            // confirmed orders with a discount
	Expired           int            // rejected as too slow although the card was charged: the reservation ran out, and the charge is voided
	Rejected          map[string]int // by reason
	Sold              map[string]int64
	Charges           int // in the provider's ledger, the declined ones too
	Living            int // of them
}

// Verdict waits until every order of the shop is decided, and compares each with
// the provider's ledger: one living charge of the order's total where it is
// confirmed, none that stays elsewhere, and never a second one that was not declined.
func (s *Server) Verdict(t *testing.T, admin Client) Verdict {
	t.Helper()
	v := Verdict{Rejected: map[string]int{}, Sold: map[string]int64{}}
	admin = admin.At(s.Shop)
	for path := "/orders?all=true&limit=100"; path != ""; {
		page := admin.Get(t, path)
		items, _ := page.At("items").([]any)
		for i := range items {
			v.add(t, s, admin, admin.Decided(t, page.Text("items."+strconv.Itoa(i)+".id")))
		}
		path = ""
		if next := page.Text("next_cursor"); next != "" {
			path = "/orders?all=true&limit=100&cursor=" + next
		}
	}
	return v
}

func (v *Verdict) add(t *testing.T, s *Server, admin Client, o Answer) {
	t.Helper()
	v.Orders++
	alive, made, voided := 0, 0, 0
	for _, charge := range s.charges(t, admin, o) {
		v.Charges++
		if !charge.Made() {
			continue
		}
		made++
		switch charge.Status {
		case "authorised", "captured", "refunded":
			alive++
			v.Living++
			require.Equal(t, o.Number(t, "totals.total.amount"), charge.Amount.Amount, o.Raw)
		case "voided":
			voided++
		}
	}
	require.LessOrEqual(t, made, 1, "charges of order %s", o.Raw)
	switch o.Text("status") {
	case "confirmed", "shipped", "delivered":
		require.Equal(t, 1, alive, "charges of order %s", o.Raw)
		v.Confirmed++
		if o.Number(t, "totals.discount.amount") > 0 {
			v.Discounted++
		}
		lines, _ := o.At("lines").([]any)
		for i := range lines {
			at := "lines." + strconv.Itoa(i)
			v.Sold[o.Text(at+".sku")] += o.Number(t, at+".quantity")
		}
		return
	}
	require.Contains(t, []string{"rejected", "cancelled"}, o.Text("status"), o.Raw)
	require.Zero(t, alive, "charges of order %s", o.Raw)
	v.Rejected[o.Text("reason")]++
	if o.Text("reason") == "checkout.timeout" && voided > 0 {
		v.Expired++
	}
}

// charges are what the provider has for an order that is decided. A payment may be given
// up behind an order that came to nothing, so they are looked at when none lives any more.
func (s *Server) charges(t *testing.T, admin Client, o Answer) (charges []Charge) {
	t.Helper()
	nothing := o.Text("status") == "rejected" || o.Text("status") == "cancelled"
	Until(t, "nothing is charged for order "+o.Text("id"), func() bool {
		charges = s.Ledger(t, admin, o.Text("id"))
		return !nothing || !slices.ContainsFunc(charges, Charge.Alive)
	})
	return charges
}

// SetStock sets how many pieces of a SKU there are.
func (s *Server) SetStock(t *testing.T, admin Client, sku string, onHand int64) {
	t.Helper()
	admin.At(s.Shop).Do(t, http.StatusOK, http.MethodPut, "/stock/"+sku, Object{"on_hand": onHand})
}
