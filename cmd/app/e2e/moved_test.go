package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// Payments moves out of a shop that has sold, dies and comes back, and moves home
// again. What was sold on one side is cancelled, captured and refunded on the other.
func TestPaymentsMoveOutAndBack(t *testing.T) {
	t.Parallel()
	out := shoptest.NewExtractedSite(t)
	home := out
	home.Here, home.Beside, home.Moved = "", "", nil

	s := shoptest.Serve(t, home)
	admin, buyer, before := s.Admin(t), s.Customer(t), s.Stock(t, shoptest.Staple)
	early := buyer.Buy(t, shoptest.Staple, 1, "tok_visa")
	require.Equal(t, "confirmed", early.Text("status"), early.Raw)
	require.Zero(t, s.Stop(t))

	s = shoptest.Serve(t, out)
	admin, buyer = admin.At(s.Shop), buyer.At(s.Shop)
	buyer.Cancelled(t, early.Text("id"))
	buyer.Reaches(t, "/payments/"+early.Text("payment_id"), "voided")
	late := buyer.Buy(t, shoptest.Staple, 2, "tok_visa")
	require.Equal(t, "confirmed", late.Text("status"), late.Raw)

	// The service dies. The shop takes orders, and they are decided when it is back.
	service := s.Others[len(s.Others)-1]
	service.Kill(t)
	buyer.PutInCart(t, shoptest.Staple, 1)
	waiting := buyer.Keyed().Do(t, http.StatusAccepted, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa")).Text("id")
	a, err := buyer.Try(t.Context(), http.MethodGet, "/payments/"+late.Text("payment_id"), nil)
	require.NoError(t, err)
	// Its queue outlives it for seconds, for who comes back: until then a call waits.
	require.Contains(t, []int{http.StatusServiceUnavailable, http.StatusGatewayTimeout}, a.Status, a.Raw)
	buyer.Get(t, "/products")
	service = s.Moves(t, "payments")
	asked := service.With("BANYAN_OPS_ADDR=" + strings.TrimPrefix(service.Ops, "http://"))
	asked.OK(t, "check")
	decided := buyer.Decided(t, waiting)
	require.Equal(t, "confirmed", decided.Text("status"), decided.Raw)
	require.Len(t, s.Ledger(t, admin, waiting), 1)

	// Payments are audited where they are; the shop says that it does not.
	s.Quiet(t)
	require.Contains(t, s.OK(t, "audit", "--modules", out.Here+","+out.Beside), "\nNot audited: payments\n")
	require.Regexp(t, `(?m)^payments\.matches_provider +[1-9]\d* +0$`, asked.OK(t, "audit"))

	require.Zero(t, service.Stop(t))
	require.Equal(t, 1, asked.App(t, "check").Code, "a service that has stopped is not ready")
	require.Zero(t, s.Others[0].Stop(t))
	require.Zero(t, s.Stop(t))
	s = shoptest.Serve(t, home)
	admin, buyer = admin.At(s.Shop), buyer.At(s.Shop)
	s.Dispatched(t, admin, late.Text("id"))
	buyer.Reaches(t, "/payments/"+late.Text("payment_id"), "captured")
	amount := shoptest.Object{"amount": shoptest.Object{"amount": late.Number(t, "totals.total.amount"), "currency": "USD"}}
	admin.Keyed().Do(t, http.StatusCreated, http.MethodPost, "/payments/"+late.Text("payment_id")+"/refunds", amount)
	require.Equal(t, []string{"refunded"}, shoptest.Statuses(s.Ledger(t, admin, late.Text("id"))))
	s.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: before.OnHand - 3})
	s.Audited(t)
}
