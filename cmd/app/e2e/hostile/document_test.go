package hostile

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// route is one operation of the served document.
type route struct {
	method, path string
	op           *openapi3.Operation
	problem      *openapi3.SchemaRef
}

func (r route) String() string { return r.method + " " + r.path }

// routes reads the document that the shop serves.
func routes(t *testing.T, s *shoptest.Server) []route {
	t.Helper()
	raw := s.Anyone().Get(t, "//openapi.json").Raw
	doc, err := openapi3.NewLoader().LoadFromData([]byte(raw))
	require.NoError(t, err)
	problem := doc.Components.Responses["Problem"].Value.Content["application/problem+json"].Schema
	var out []route
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			out = append(out, route{method, path, op, problem})
		}
	}
	slices.SortFunc(out, func(a, b route) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	require.Greater(t, len(out), 30, "the document has lost its routes")
	return out
}

// edgeCodes are answered by the edge itself, on any route.
var edgeCodes = []string{
	"malformed", "invalid", "unauthenticated", "forbidden", "not_found", "body.too_large", "body.too_slow", "rate_limit.exceeded",
	"idempotency_key.missing", "idempotency_key.reused", "idempotency_key.in_flight", "method.not_allowed", "route.not_found", "unavailable",
}

var refusals = regexp.MustCompile(`Can be refused with: ([^ ]+(?:, [^ ]+)*)\.$`)

// codes are what the document says that the route can be refused with.
func (r route) codes() []string {
	found := refusals.FindStringSubmatch(r.op.Description)
	if found == nil {
		return edgeCodes
	}
	return append(strings.Split(found[1], ", "), edgeCodes...)
}

// body is the schema of the route's body; nil without one.
func (r route) body() *openapi3.Schema {
	if r.op.RequestBody == nil {
		return nil
	}
	return r.op.RequestBody.Value.Content["application/json"].Schema.Value
}

// typed tells whether the route is one of the API's, not a mounted page.
func (r route) typed() bool { return strings.HasPrefix(r.path, "/api/v1/") }

// matches tells whether a target is one of the route's.
func (r route) matches(target string) bool {
	pattern := regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(r.path), "[^/]+")
	return regexp.MustCompile("^" + pattern + "$").MatchString(target)
}

// inner gives what a nullable reference refers to.
func inner(s *openapi3.Schema) *openapi3.Schema {
	if len(s.AnyOf) > 0 {
		return s.AnyOf[0].Value
	}
	return s
}

func nullable(s *openapi3.Schema) bool {
	return len(s.AnyOf) > 0 || s.Type == nil || s.Type.IncludesNull()
}

// example is a request that each route with a body or a parameter would take. A
// new route without a line here fails the test.
func (w *world) example(t *testing.T, r route) request {
	t.Helper()
	ids := map[string]string{"sku": victim, "handle": "aloe-vera"} // no test buys what may be archived
	for prefix, id := range map[string]string{"/orders/": w.order, "/payments/": w.payment, "/shipments/": w.shipment} {
		if strings.HasPrefix(strings.TrimPrefix(r.path, "/api/v1"), prefix) {
			ids["id"] = id
		}
	}
	target := r.path
	for name, value := range ids {
		target = strings.ReplaceAll(target, "{"+name+"}", value)
	}
	require.NotContains(t, target, "{", "%s has a parameter that the test cannot fill", r)
	req := request{method: r.method, target: target, route: r}
	if r.body() == nil {
		return req
	}
	body, ok := bodies[r.String()]
	require.True(t, ok, "%s takes a body: add one to the examples", r)
	req.tree = body
	return req
}

type object = shoptest.Object

// bodies are what the routes take, by method and path.
var bodies = map[string]any{
	"PUT /api/v1/cart/items/{sku}":         object{"quantity": 1},
	"POST /api/v1/orders":                  orderBody(),
	"POST /api/v1/payments/webhook":        object{"id": "evt-1", "type": "charge.captured", "data": object{"id": "ch-1", "reference": "none"}},
	"POST /api/v1/payments/{id}/refunds":   object{"amount": money(1)},
	"PUT /api/v1/prices/{sku}":             object{"price": money(100), "compare_at_price": money(200)},
	"POST /api/v1/products":                productBody("hostile-made"),
	"PUT /api/v1/products/{handle}":        productBody("aloe-vera"),
	"POST /api/v1/promotions":              object{"code": "HOSTILE", "kind": "fixed", "value": 1, "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2036-01-01T00:00:00Z", "min_subtotal": money(1), "usage_limit": 1},
	"POST /api/v1/quotes":                  object{"items": []any{object{"sku": shoptest.Staple, "quantity": 1}}, "country": "US", "shipping_method": "standard", "promo_code": nil},
	"POST /api/v1/sessions":                object{"email": "victim@example.com", "password": "not the right one"},
	"POST /api/v1/sessions/refresh":        object{"refresh_token": "made up"},
	"POST /api/v1/shipments/{id}/dispatch": object{"carrier": "Banyan Post", "tracking_number": "BP-1"},
	"PUT /api/v1/stock/{sku}":              object{"on_hand": 7},
	"POST /api/v1/users":                   object{"email": "hostile@example.com", "password": shoptest.Password, "name": "Eve"},
	"POST /api/v1/wallet/deposits":         object{"amount": money(100), "token": "tok_visa"},
	"POST /api/v1/wallet/withdrawals":      object{"amount": money(1)},
}

func money(amount int64) object { return object{"amount": amount, "currency": "USD"} }

func orderBody() object {
	o := shoptest.OrderBody("tok_visa")
	o["promo_code"] = nil
	return o
}

func productBody(handle string) object {
	return object{
		"handle": handle, "title": "Made by nobody", "description_html": "<p>no</p>", "vendor": "v", "category": "c", "tags": []any{"t"},
		"images":   []any{object{"src": "https://example.com/a.png", "alt": "a"}},
		"variants": []any{object{"sku": handle + "--x", "title": "X", "options": []any{object{"name": "Size", "value": "X"}}, "weight_grams": 1, "barcode": "1"}},
	}
}

// needsKey tells whether the route wants an Idempotency-Key.
func (r route) needsKey() bool {
	return slices.ContainsFunc(r.op.Parameters, func(p *openapi3.ParameterRef) bool {
		return p.Value.In == "header" && p.Value.Name == http.CanonicalHeaderKey("Idempotency-Key")
	})
}
