package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// examplesWork sends what /docs offers to whoever tries the shop there, as it stands:
// each is done, also what builds on others.
func examplesWork(t *testing.T, s *shoptest.Server) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(s.Anyone().Get(t, "//openapi.json").Raw))
	require.NoError(t, err)
	anna, admin := s.Anyone(), s.Admin(t)
	offered := 0
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody != nil && op.RequestBody.Value.Content["application/json"].Example != nil {
				offered++
			}
		}
	}
	steps := []struct {
		who    *shoptest.Client
		method string
		path   string
	}{
		{&anna, http.MethodPost, "/users"}, {&anna, http.MethodPost, "/sessions"},
		{&admin, http.MethodPost, "/products"}, {&admin, http.MethodPut, "/stock/{sku}"},
		{&admin, http.MethodPut, "/prices/{sku}"}, {&admin, http.MethodPost, "/promotions"},
		{&anna, http.MethodPost, "/quotes"}, {&anna, http.MethodPut, "/cart/items/{sku}"}, {&anna, http.MethodPost, "/orders"},
		{&anna, http.MethodPost, "/wallet/deposits"}, {&anna, http.MethodPost, "/wallet/withdrawals"},
	}
	require.Len(t, steps, offered, "what has an example is tried here")
	for _, step := range steps {
		op := doc.Paths.Value("/api/v1" + step.path).GetOperation(step.method)
		path, ask := step.path, *step.who
		for _, p := range op.Parameters {
			text, given := p.Value.Schema.Value.Example.(string)
			switch {
			case p.Value.In == "path":
				require.True(t, given, "%s: %s has no example", step.path, p.Value.Name)
				path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", text)
			case p.Value.Name == "Prefer":
				ask = ask.With("Prefer", p.Value.Schema.Value.Example.([]any)[0].(string))
			case p.Value.Required:
				require.True(t, given, "%s: %s has no example", step.path, p.Value.Name)
				ask = ask.With(p.Value.Name, text)
			}
		}
		done := func(a shoptest.Answer) bool { return slices.Contains([]int{200, 201, 202}, a.Status) }
		a := ask.Ask(t, step.method, path, op.RequestBody.Value.Content["application/json"].Example, done)
		require.True(t, done(a), "%s %s: %s", step.method, path, a.Raw)
		switch step.path {
		case "/sessions":
			anna = anna.With("Authorization", "Bearer "+a.Text("access_token"))
		case "/orders":
			require.Equal(t, "confirmed", anna.Decided(t, a.Text("id")).Text("status"))
		}
	}
}
