package cataloghttp_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/catalog/cataloghttp"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
	"github.com/banyan-tree/banyan/modules/pricing"
)

// prices answers only what the handlers ask of pricing.
type prices struct {
	pricing.Service
	known map[string]pricing.Price
	err   error
}

func (p *prices) Prices(_ context.Context, req pricing.PricesRequest) (pricing.PricesReply, error) {
	var reply pricing.PricesReply
	for _, sku := range req.SKUs {
		if price, ok := p.known[sku]; ok {
			reply.Items = append(reply.Items, price)
		}
	}
	return reply, p.err
}

// stock is inventory that can be made to fail.
type stock struct {
	inventory.Service
	err error
}

func (s *stock) Levels(ctx context.Context, req inventory.LevelsRequest) (inventory.LevelsReply, error) {
	if s.err != nil {
		return inventory.LevelsReply{}, s.err
	}
	return s.Service.Levels(ctx, req)
}

type shop struct {
	*webtest.Server
	catalog *catalogtest.Fake
	prices  *prices
	stock   *stock
}

func setup(t *testing.T) *shop {
	t.Helper()
	s := &shop{catalog: catalogtest.NewFake(), prices: &prices{known: map[string]pricing.Price{}}, stock: &stock{Service: inventorytest.NewFake()}}
	s.Server = webtest.New(t, func(r *web.Router) {
		cataloghttp.Register(r, cataloghttp.Deps{Catalog: s.catalog, Pricing: s.prices, Inventory: s.stock})
	})
	return s
}

var staff = webtest.As("staff")

const fig = `{"handle":"fig","title":"Fig","description_html":"<p>x</p>","vendor":"V","category":"Plants","tags":["green"],
	"images":[{"src":"https://img.example/fig.png","alt":"a fig"}],
	"variants":[{"sku":"fig--s","title":"Small","options":[{"name":"Size","value":"Small"}],"weight_grams":500,"barcode":"1"},{"sku":"fig--l","title":"Large"}]}`

func TestProductComesWithPriceAndStock(t *testing.T) {
	t.Parallel()
	s := setup(t)
	made := s.Do("POST", "/api/v1/products", fig, staff).Require(http.StatusCreated)
	require.Equal(t, "/api/v1/products/fig", made.Header.Get("Location"))
	require.Equal(t, `"1"`, made.Header.Get("ETag"))
	require.Equal(t, "draft", made.Get("status"))
	s.Do("GET", "/api/v1/products/fig", nil).RequireCode(http.StatusNotFound, "product.not_found")
	s.Do("GET", "/api/v1/products/fig", nil, staff).Require(http.StatusOK)
	s.Do("POST", "/api/v1/products/fig/publish", nil, staff).Require(http.StatusOK)

	was := money.Of(3000, "USD")
	s.prices.known["fig--s"] = pricing.Price{SKU: "fig--s", Price: money.Of(2400, "USD"), CompareAt: &was}
	inventorytest.MustStock(t, s.stock.Service, "fig--s", 25)
	got := s.Do("GET", "/api/v1/products/fig", nil).Require(http.StatusOK)
	require.Equal(t, `"2"`, got.Header.Get("ETag"))
	require.JSONEq(t, `{"amount":2400,"currency":"USD"}`, got.Get("variants.0.price"))
	require.JSONEq(t, `{"amount":3000,"currency":"USD"}`, got.Get("variants.0.compare_at_price"))
	require.Equal(t, "25", got.Get("variants.0.available"))
	require.JSONEq(t, `[{"name":"Size","value":"Small"}]`, got.Get("variants.0.options"))
	require.Empty(t, got.Get("variants.1.price"), "without a price it is null")
	require.Equal(t, "0", got.Get("variants.1.available"), "no stock was ever set")

	page := s.Do("GET", "/api/v1/products?category=Plants&limit=1", nil).Require(http.StatusOK)
	require.Equal(t, "25", page.Get("items.0.variants.0.available"))
	require.Empty(t, page.Get("next_cursor"))
}

// Customers see products while pricing or inventory are away.
func TestNeighboursAway(t *testing.T) {
	t.Parallel()
	s := setup(t)
	catalogtest.MustPublish(t, s.catalog, catalogtest.Input("fern"))
	s.prices.err, s.stock.err = fault.Unavailable.Errorf("away"), fault.DeadlineExceeded.Errorf("slow")
	got := s.Do("GET", "/api/v1/products/fern", nil).Require(http.StatusOK)
	require.Equal(t, "fern", got.Get("variants.0.sku"))
	require.Empty(t, got.Get("variants.0.price"))
	require.Empty(t, got.Get("variants.0.available"))
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Do("POST", "/api/v1/products", fig, staff).Require(http.StatusCreated)
	put := func(title, tag string) webtest.Response {
		in := catalogtest.Input("fig", "fig--s")
		in.Title = title
		header := staff
		if tag != "" {
			header = staff.With("If-Match", tag)
		}
		return s.Do("PUT", "/api/v1/products/fig", in, header)
	}
	require.Equal(t, `"2"`, put("Two", `"1"`).Require(http.StatusOK).Header.Get("ETag"))
	put("Three", `"1"`).RequireCode(http.StatusPreconditionFailed, "product.version_mismatch")
	put("Three", `"0"`).RequireCode(http.StatusPreconditionFailed, "product.version_mismatch")
	put("Three", `soon`).Require(http.StatusBadRequest)
	put("Three", `*`).Require(http.StatusOK)
	put("Four", "").Require(http.StatusOK)
	s.Do("POST", "/api/v1/products/fig/publish", nil, staff.With("If-Match", `"1"`)).RequireCode(http.StatusPreconditionFailed, "product.version_mismatch")
	require.Equal(t, "published", s.Do("POST", "/api/v1/products/fig/publish", nil, staff.With("If-Match", `"4"`)).Require(http.StatusOK).Get("status"))
	require.Equal(t, "archived", s.Do("POST", "/api/v1/products/fig/archive", nil, staff).Require(http.StatusOK).Get("status"))
	s.Do("POST", "/api/v1/products/fig/publish", nil, staff).RequireCode(http.StatusConflict, "product.invalid_status")
	s.Do("POST", "/api/v1/products/nobody/publish", nil, staff).RequireCode(http.StatusNotFound, "product.not_found")
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, route := range [][2]string{
		{"POST", "/api/v1/products"}, {"PUT", "/api/v1/products/fig"},
		{"POST", "/api/v1/products/fig/publish"}, {"POST", "/api/v1/products/fig/archive"},
	} {
		var body any
		if route[0] == "PUT" || route[1] == "/api/v1/products" {
			body = fig
		}
		s.Do(route[0], route[1], body).Require(http.StatusUnauthorized)
		s.Do(route[0], route[1], body, webtest.As("user:u1")).Require(http.StatusForbidden)
	}
	s.Do("GET", "/api/v1/products?status=draft", nil).RequireCode(http.StatusUnauthorized, "unauthenticated")
	s.Do("GET", "/api/v1/products?status=draft", nil, webtest.As("user:u1")).RequireCode(http.StatusForbidden, "forbidden")
	s.Do("GET", "/api/v1/products?status=draft", nil, staff).Require(http.StatusOK)
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.Do("POST", "/api/v1/products", fig, staff).Require(http.StatusCreated)
	s.Do("POST", "/api/v1/products", fig, staff).RequireCode(http.StatusConflict, "product.handle_taken")
	s.Do("POST", "/api/v1/products", `{"handle":"x"}`, staff).Require(http.StatusUnprocessableEntity)
	s.Do("POST", "/api/v1/products", `{"nonsense":1}`, staff).Require(http.StatusBadRequest)
	s.Do("GET", "/api/v1/products?limit=101", nil).Require(http.StatusUnprocessableEntity)
	s.Do("GET", "/api/v1/products?status=lost", nil, staff).Require(http.StatusUnprocessableEntity)
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, handle := range []string{"a", "b", "c"} {
		catalogtest.MustPublish(t, s.catalog, catalogtest.Input(handle))
	}
	first := s.Do("GET", "/api/v1/products?limit=2", nil).Require(http.StatusOK)
	require.Equal(t, "c", first.Get("items.0.handle"))
	last := s.Do("GET", "/api/v1/products?limit=2&cursor="+first.Get("next_cursor"), nil).Require(http.StatusOK)
	require.Equal(t, "a", last.Get("items.0.handle"))
	require.Empty(t, last.Get("next_cursor"))
	require.JSONEq(t, `[]`, s.Do("GET", "/api/v1/products?tag=nothing", nil).Get("items"))
}
