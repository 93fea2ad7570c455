package hostile

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// accessTable is where the matrix is written down.
const accessTable = "../../../../docs/access.md"

const accessHead = `# Who may do what

Each route of the API as each kind of user, asked of a running shop. *yes*: the
request is looked at, and done if it is right. *401*: log in first. *403*: the
role may not. *404*: it is somebody else's, and they do not learn that it is there.
*Owner* is the customer whose cart, order, payment and shipment it is.

This page is made by a test. A route that is new or that changed its rule fails
it until the page is made again, and is seen in review:
` + "`BANYAN_TEST_UPDATE=1 go test -run TestAccess ./cmd/app/e2e/hostile`" + `

| route | nobody | another customer | owner | staff | admin |
|---|---|---|---|---|---|
`

const accessFoot = `
A guest's cart belongs to whom has its token: a made-up token is a 404, without
one a new cart is opened, and the token of a guest is not looked at for who is
logged in. The webhook believes the provider's signature and nobody's token; the
provider charges for whom has its API key, and for nobody's token. A list shows only
what is one's own. (ops) is the operators' address; profiles are there only where
` + "`ops.profiling`" + ` is on.

## Log-ins

Ten failed log-ins for one e-mail within 15 minutes, or a hundred from one
address (for IPv6, one /64), and further ones are answered with 429 until the 15
minutes, counted from the first failure, are over: with the right password too.
Where somebody's password was right in the last 30 days, only failures made from
there count against their e-mail. So a stranger who guesses on and on keeps nobody
out who comes from where they usually do, only who comes from a new address just
then; and who is logged in stays so, tokens can be refreshed. Pauses that grow with
each failure were no better: a stranger who goes on keeps them at their longest.
An e-mail that does not exist is treated, and costs, as one that does. The
address is that of the connection, or what a trusted proxy says
(` + "`http.trusted_proxies`" + `); what a client claims is not looked at.
`

// TestAccess asks every route as everybody, on each kind of database. The table in
// docs/access.md is what must come out.
func TestAccess(t *testing.T) {
	t.Parallel()
	shoptest.OnEach(t, whoMayDoWhat)
}

func whoMayDoWhat(t *testing.T, at shoptest.Site) {
	w := worldOf(t, shoptest.Serve(t, at.With("BANYAN_OPS_PROFILING=on")))
	// A draft and something to transit, that only staff may see.
	draft := productBody("hidden-draft")
	w.admin.Do(t, http.StatusCreated, http.MethodPost, "/products", draft)
	everybody := []actor{{"nobody", w.Anyone()}, {"another customer", w.other}, {"owner", w.owner}, {"staff", w.staff(t)}, {"admin", w.admin}}

	table := map[string][]string{}
	var order []string
	row := func(name string, ask func(a actor) int) {
		order = append(order, name)
		for _, a := range everybody {
			cell := "yes"
			switch status := ask(a); status {
			case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
				cell = fmt.Sprint(status)
			default:
				require.Less(t, status, http.StatusInternalServerError, "%s as %s", name, a.name)
			}
			table[name] = append(table[name], cell)
		}
	}
	for _, r := range routes(t, w.Server) {
		base := w.example(t, r)
		row(r.String(), func(a actor) int { return w.ask(t, a, base) })
	}
	for _, at := range []string{"/api/v1/orders?all=true", "/api/v1/products?status=draft", "/api/v1/products/hidden-draft"} {
		row("GET "+at, func(a actor) int { return w.ask(t, a, request{method: http.MethodGet, target: at}) })
	}
	ops := *w
	ops.Server = &shoptest.Server{Shop: w.Ops}
	charge := w.Ledger(t, w.admin, w.order)[0].ID
	for _, r := range []request{
		{method: http.MethodGet, target: "/metrics"},
		{method: http.MethodGet, target: "/health/ready"},
		{method: http.MethodGet, target: "/debug/pprof/heap"},
		{method: http.MethodGet, target: "/sandbox/psp/charges?reference=" + w.order},
		{method: http.MethodGet, target: "/sandbox/psp/charges/" + charge},
		{method: http.MethodPost, target: "/sandbox/psp/charges", tree: object{"reference": w.order, "amount": money(1), "token": "tok_visa"}},
		{method: http.MethodPost, target: "/sandbox/psp/charges/" + charge + "/void", tree: object{}},
		{method: http.MethodGet, target: "/sandbox/psp/sickness"},
		{method: http.MethodPut, target: "/sandbox/psp/sickness", tree: object{}},
	} {
		name := strings.NewReplacer(w.order, "…", charge, "{id}").Replace(r.method + " " + r.target)
		row(name+" (ops)", func(a actor) int { return ops.ask(t, a, r) })
	}

	var b strings.Builder
	b.WriteString(accessHead)
	for _, name := range order {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.Join(table[name], " | "))
	}
	b.WriteString(accessFoot)
	if os.Getenv("BANYAN_TEST_UPDATE") != "" && at.Setting("BANYAN_DATABASE_URL") == "" {
		require.NoError(t, os.WriteFile(filepath.FromSlash(accessTable), []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(filepath.FromSlash(accessTable))
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "who may do what has changed; make the page again where that is meant")

	w.carts(t)
	w.lists(t)
	w.Audited(t)
}

// ask sends one example as somebody and gives the status. Whether somebody may is not
// told by "later": then it is sent again.
func (w *world) ask(t *testing.T, a actor, req request) int {
	t.Helper()
	var got shoptest.Answer
	shoptest.Until(t, req.target+" is answered", func() (over bool) {
		got, over = w.askOnce(t, a, req)
		return over
	})
	if got.Status >= http.StatusBadRequest && strings.HasPrefix(req.target, "/api") {
		require.Equal(t, "application/problem+json", got.Header.Get("Content-Type"))
	}
	return got.Status
}

// askOnce gives an answer, and whether that was one: a shop that was late is asked again,
// and so is one that could not charge a card in time.
func (w *world) askOnce(t *testing.T, a actor, req request) (shoptest.Answer, bool) {
	t.Helper()
	body := req.tree
	switch req.route.String() { // what must be right for an answer other than 401
	case "POST /api/v1/sessions":
		body = object{"email": "staff@example.com", "password": shoptest.Password}
	case "POST /api/v1/sessions/refresh":
		// Keyed: one may log in as often as one likes.
		session := w.Anyone().Keyed().Do(t, http.StatusCreated, http.MethodPost, "/sessions", object{"email": "staff@example.com", "password": shoptest.Password})
		body = object{"refresh_token": session.Text("refresh_token")}
	}
	got, err := a.client.At(w.Shop).Keyed().Try(t.Context(), req.method, "/"+req.target, body)
	require.NoError(t, err)
	return got, !shoptest.Later(got) && got.Text("code") != "payment.unavailable"
}

// staff is somebody with that role and no more.
func (w *world) staff(t *testing.T) shoptest.Client {
	t.Helper()
	w.Anyone().Do(t, http.StatusCreated, http.MethodPost, "/users", object{"email": "staff@example.com", "password": shoptest.Password, "name": "Sam"})
	w.OK(t, "user", "grant", "staff@example.com", "--role", "staff")
	return w.LogIn(t, "staff@example.com", shoptest.Password)
}

// carts tries to come by the cart of somebody else.
func (w *world) carts(t *testing.T) {
	t.Helper()
	nobody := w.Anyone()
	first := nobody.Do(t, http.StatusOK, http.MethodPut, "/cart/items/"+shoptest.Staple, object{"quantity": 3})
	token := first.Header.Get("X-Cart-Token")
	require.NotEmpty(t, token)
	second := nobody.Get(t, "/cart")
	require.NotEqual(t, token, second.Header.Get("X-Cart-Token"))
	require.Nil(t, second.At("lines.0"))
	for _, made := range []string{token + "x", token[:len(token)-1], strings.ToUpper(token) + "_", "0", w.order, "' OR '1'='1"} {
		nobody.With("X-Cart-Token", made).Refused(t, http.StatusNotFound, "cart.unknown_token", http.MethodGet, "/cart", nil)
		nobody.With("X-Cart-Token", made).Refused(t, http.StatusNotFound, "cart.unknown_token", http.MethodPut, "/cart/items/"+shoptest.Staple, object{"quantity": 1})
	}
	mine := w.other.Get(t, "/cart").Raw
	require.Equal(t, mine, w.other.With("X-Cart-Token", token).Get(t, "/cart").Raw, "a guest's token showed a user another cart")
	require.EqualValues(t, 3, nobody.With("X-Cart-Token", token).Get(t, "/cart").Number(t, "lines.0.quantity"))
}

// lists shows that lists and cursors of one are of no use to another.
func (w *world) lists(t *testing.T) {
	t.Helper()
	w.owner.PutInCart(t, shoptest.Staple, 1)
	w.owner.Order(t, orderBody())
	page := w.owner.Get(t, "/orders?limit=1")
	cursor := page.Text("next_cursor")
	require.NotEmpty(t, cursor)
	others := w.other.Get(t, "/orders?limit=100&cursor="+cursor)
	require.NotContains(t, others.Raw, w.order)
	w.other.Refused(t, http.StatusForbidden, "forbidden", http.MethodGet, "/orders?all=true&cursor="+cursor, nil)
}
