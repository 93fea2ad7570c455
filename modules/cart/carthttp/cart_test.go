package carthttp_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/cart/carthttp"
	"github.com/banyan-tree/banyan/modules/cart/carttest"
)

const (
	path  = "/api/v1/cart"
	items = "/api/v1/cart/items/"
	token = "X-Cart-Token"
)

func setup(t *testing.T) *webtest.Server {
	t.Helper()
	fake := carttest.NewFake()
	fake.Sell("fig", 1999)
	fake.Sell("ivy", 50)
	return webtest.New(t, func(r *web.Router) { carthttp.Register(r, carthttp.Deps{Cart: fake}) })
}

func quantity(n any) map[string]any { return map[string]any{"quantity": n} }

func TestUsersCart(t *testing.T) {
	t.Parallel()
	s, ada := setup(t), webtest.As("user:ada")
	got := s.Do(http.MethodGet, path, nil, ada).Require(http.StatusOK)
	require.Equal(t, "[]", got.Get("lines"))
	require.Empty(t, got.Header.Get(token), "users need no token")
	s.Do(http.MethodPut, items+"ivy", quantity(2), ada).Require(http.StatusOK)
	got = s.Do(http.MethodPut, items+"fig", quantity(1), ada).Require(http.StatusOK)
	require.Equal(t, `{"amount":2099,"currency":"USD"}`, got.Get("subtotal"))
	require.Equal(t, "100", got.Get("lines.0.total.amount"))
	require.Equal(t, got.JSON, s.Do(http.MethodGet, path, nil, ada).Require(http.StatusOK).JSON)
	require.Equal(t, "[]", s.Do(http.MethodGet, path, nil, webtest.As("user:eve")).Require(http.StatusOK).Get("lines"))
	for range 2 {
		got = s.Do(http.MethodDelete, items+"ivy", nil, ada).Require(http.StatusOK)
		require.Equal(t, "fig", got.Get("lines.0.sku"))
	}
	s.Do(http.MethodGet, path, nil, webtest.As("forged")).RequireCode(http.StatusUnauthorized, "unauthenticated")

	// A guest's token does not matter for who is logged in.
	guest := s.Do(http.MethodGet, path, nil).Require(http.StatusOK).Header.Get(token)
	got = s.Do(http.MethodGet, path, nil, ada.With(token, guest)).Require(http.StatusOK)
	require.Equal(t, "fig", got.Get("lines.0.sku"))
}

func TestGuestsCart(t *testing.T) {
	t.Parallel()
	s := setup(t)
	first := s.Do(http.MethodPut, items+"fig", quantity(2), nil).Require(http.StatusOK)
	guest := webtest.Header{token: first.Header.Get(token)}
	require.NotEmpty(t, guest[token], "the first call answers with a token")
	again := s.Do(http.MethodGet, path, nil, guest).Require(http.StatusOK)
	require.Equal(t, first.JSON, again.JSON)
	require.Empty(t, again.Header.Get(token))
	s.Do(http.MethodDelete, items+"fig", nil, guest).Require(http.StatusOK)

	other := s.Do(http.MethodGet, path, nil).Require(http.StatusOK)
	require.NotEqual(t, guest[token], other.Header.Get(token))
	require.NotEmpty(t, s.Do(http.MethodDelete, items+"fig", nil).Require(http.StatusOK).Header.Get(token))

	forged := webtest.Header{token: "forged"}
	s.Do(http.MethodGet, path, nil, forged).RequireCode(http.StatusNotFound, "cart.unknown_token")
	s.Do(http.MethodPut, items+"fig", quantity(1), forged).RequireCode(http.StatusNotFound, "cart.unknown_token")
	s.Do(http.MethodDelete, items+"fig", nil, forged).RequireCode(http.StatusNotFound, "cart.unknown_token")
	s.Do(http.MethodGet, path, nil, webtest.Header{token: strings.Repeat("x", 129)}).Require(http.StatusUnprocessableEntity)
}

// opening counts the guests' carts that are made.
type opening struct {
	cart.Service
	carts atomic.Int64
}

func (o *opening) Open(ctx context.Context, req cart.OpenRequest) (cart.OpenReply, error) {
	reply, err := o.Service.Open(ctx, req)
	if err == nil {
		o.carts.Add(1)
	}
	return reply, err
}

// A guest whose first item is refused gets no token, so there is no cart either.
func TestNoCartForARefusedGuest(t *testing.T) {
	t.Parallel()
	fake := carttest.NewFake()
	fake.Sell("fig", 1999)
	svc := &opening{Service: fake}
	s := webtest.New(t, func(r *web.Router) { carthttp.Register(r, carthttp.Deps{Cart: svc}) })
	refused := s.Do(http.MethodPut, items+"palm", quantity(1), nil).RequireCode(http.StatusUnprocessableEntity, "cart.unknown_sku")
	require.Empty(t, refused.Header.Get(token))
	require.Zero(t, svc.carts.Load())
	require.NotEmpty(t, s.Do(http.MethodPut, items+"fig", quantity(1), nil).Require(http.StatusOK).Header.Get(token))
	require.EqualValues(t, 1, svc.carts.Load())
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	s, ada := setup(t), webtest.As("user:ada")
	for name, c := range map[string]struct {
		sku    string
		body   any
		status int
		code   string
	}{
		"unknown SKU": {"palm", quantity(1), http.StatusUnprocessableEntity, "cart.unknown_sku"},
		"none of it":  {"fig", quantity(0), http.StatusUnprocessableEntity, "invalid"},
		"100 of it":   {"fig", quantity(100), http.StatusUnprocessableEntity, "invalid"},
		"missing":     {"fig", map[string]any{}, http.StatusUnprocessableEntity, "invalid"},
		"text":        {"fig", quantity("two"), http.StatusBadRequest, "malformed"},
		"fraction":    {"fig", quantity(1.5), http.StatusBadRequest, "malformed"},
		"no body":     {"fig", nil, http.StatusBadRequest, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.Do(http.MethodPut, items+c.sku, c.body, ada).RequireCode(c.status, c.code)
		})
	}
}

func TestTheHundredAndFirstLine(t *testing.T) {
	t.Parallel()
	fake := carttest.NewFake()
	s := webtest.New(t, func(r *web.Router) { carthttp.Register(r, carthttp.Deps{Cart: fake}) })
	ada := webtest.As("user:ada")
	for i := range 101 {
		sku := strings.Repeat("a", i+1)
		fake.Sell(sku, 1)
		got := s.Do(http.MethodPut, items+sku, quantity(1), ada)
		if i < 100 {
			got.Require(http.StatusOK)
		} else {
			got.RequireCode(http.StatusUnprocessableEntity, "cart.too_many_lines")
		}
	}
}
