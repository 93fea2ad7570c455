package searchhttp_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchhttp"
)

// heard is a service that keeps what it was asked.
type heard struct {
	find    search.FindRequest
	suggest search.SuggestRequest
}

func (h *heard) Find(_ context.Context, r search.FindRequest) (search.Results, error) {
	h.find = r
	if r.Vendor == "bad" {
		return search.Results{}, search.Invalid.Errorf("bad")
	}
	return search.Results{
		Items: []search.Item{{ProductID: "1", Handle: "pot", Tags: []string{}, Price: money.Of(5, "USD"), PriceMost: money.Of(6, "USD")}}, Total: 7, Next: "more",
		Facets:      search.Facets{Category: []search.Count{{Value: "Pots", Count: 7}}, Vendor: []search.Count{}, Price: []search.PriceCount{{Count: 7}}},
		Corrections: []search.Correction{},
	}, nil
}

func (h *heard) Suggest(_ context.Context, r search.SuggestRequest) (search.Suggestions, error) {
	h.suggest = r
	return search.Suggestions{Items: []search.Suggestion{{Kind: search.OfVendor, Text: "Terra", Highlight: "<mark>Ter</mark>ra"}}}, nil
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	h := &heard{}
	s := webtest.New(t, func(r *web.Router) { searchhttp.Register(r, searchhttp.Deps{Search: h}) })
	get := func(query string) webtest.Response { return s.Do(http.MethodGet, "/api/v1/search"+query, nil) }

	got := get("?q=clay+pot&category=Pots&vendor=Terra&min_price=1&max_price=9&in_stock=true&sort=-price&limit=3&cursor=x").Require(http.StatusOK)
	low, high, yes := int64(1), int64(9), true
	require.Equal(t, search.FindRequest{
		Text: "clay pot", Category: "Pots", Vendor: "Terra", MinPrice: &low, MaxPrice: &high, InStock: &yes, Sort: search.Dearest, Limit: 3, After: "x",
	}, h.find)
	require.Equal(t, "7", got.Get("total"))
	require.Equal(t, "more", got.Get("next_cursor"))
	require.Equal(t, "pot", got.Get("items.0.handle"))
	require.Equal(t, `{"count":7,"value":"Pots"}`, got.Get("facets.category.0"))
	get("").Require(http.StatusOK)
	require.Equal(t, search.FindRequest{Sort: search.Relevance, Limit: 20}, h.find)

	for query, status := range map[string]int{
		"?limit=0": 422, "?limit=101": 422, "?limit=x": 400, "?sort=best": 422, "?min_price=-1": 422, "?max_price=1.5": 400, "?in_stock=maybe": 400, "?q=%00": 400, "?colour=red": 400,
	} {
		require.Equal(t, status, get(query).Status, query)
	}
	get("?vendor=bad").RequireCode(http.StatusUnprocessableEntity, "search.invalid")
	require.Equal(t, "<mark>Ter</mark>ra", get("/suggestions?q=ter").Require(http.StatusOK).Get("items.0.highlight"))
	require.Equal(t, search.SuggestRequest{Text: "ter", Limit: 8}, h.suggest)
	require.Equal(t, 422, get("/suggestions").Status)
	require.Equal(t, 422, get("/suggestions?q=a&limit=21").Status)
}
