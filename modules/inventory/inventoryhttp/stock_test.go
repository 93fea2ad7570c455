package inventoryhttp_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventoryhttp"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
)

const fig = "/api/v1/stock/fig"

func setup(t *testing.T) (*inventorytest.Fake, *webtest.Server) {
	t.Helper()
	fake := inventorytest.NewFake()
	return fake, webtest.New(t, func(r *web.Router) { inventoryhttp.Register(r, inventoryhttp.Deps{Inventory: fake}) })
}

func onHand(n any) map[string]any { return map[string]any{"on_hand": n} }

func TestStockIsSetByStaffAndSeenByAll(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	s.Do(http.MethodGet, fig, nil).RequireCode(http.StatusNotFound, "stock.not_found")

	var level inventory.Level
	s.Do(http.MethodPut, fig, onHand(5), webtest.As("staff")).Require(http.StatusOK).Decode(&level)
	require.Equal(t, inventory.Level{SKU: "fig", OnHand: 5, Available: 5}, level)
	_, err := fake.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: "o", Lines: []inventory.Line{{SKU: "fig", Quantity: 2}}})
	require.NoError(t, err)
	s.Do(http.MethodGet, fig, nil).Require(http.StatusOK).Decode(&level)
	require.Equal(t, inventory.Level{SKU: "fig", OnHand: 5, Reserved: 2, Available: 3}, level)

	s.Do(http.MethodPut, fig, onHand(2), webtest.As("admin")).Require(http.StatusOK)
	s.Do(http.MethodPut, fig, onHand(2), webtest.As("admin")).Require(http.StatusOK)
	s.Do(http.MethodPut, fig, onHand(1), webtest.As("staff")).RequireCode(http.StatusUnprocessableEntity, "stock.invalid")
	s.Do(http.MethodPut, "/api/v1/stock/none", onHand(0), webtest.As("staff")).Require(http.StatusOK)
	s.Do(http.MethodGet, "/api/v1/stock/none", nil).Require(http.StatusOK)
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	for name, c := range map[string]struct {
		body   any
		as     webtest.Header
		status int
	}{
		"nobody":        {onHand(1), nil, http.StatusUnauthorized},
		"bad token":     {onHand(1), webtest.As("forged"), http.StatusUnauthorized},
		"customer":      {onHand(1), webtest.As("user:u1"), http.StatusForbidden},
		"negative":      {onHand(-1), webtest.As("staff"), http.StatusUnprocessableEntity},
		"too many":      {onHand(1_000_000_001), webtest.As("staff"), http.StatusUnprocessableEntity},
		"missing":       {map[string]any{}, webtest.As("staff"), http.StatusUnprocessableEntity},
		"text":          {onHand("many"), webtest.As("staff"), http.StatusBadRequest},
		"fraction":      {onHand(1.5), webtest.As("staff"), http.StatusBadRequest},
		"unknown field": {map[string]any{"on_hand": 1, "reserved": 1}, webtest.As("staff"), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.status, s.Do(http.MethodPut, fig, c.body, c.as).Status)
		})
	}
}

// refusing answers as inventory does, of the level in its list.
type refusing struct{ inventory.Service }

func (refusing) SetOnHand(context.Context, inventory.SetOnHandRequest) (inventory.SetOnHandReply, error) {
	return inventory.SetOnHandReply{}, inventory.InvalidStock.Errorf("fewer than are reserved").WithField("/levels/0/on_hand", "3 are reserved")
}

func TestPointersPointIntoTheBody(t *testing.T) {
	t.Parallel()
	s := webtest.New(t, func(r *web.Router) { inventoryhttp.Register(r, inventoryhttp.Deps{Inventory: refusing{}}) })
	got := s.Do(http.MethodPut, fig, onHand(1), webtest.As("staff")).RequireCode(http.StatusUnprocessableEntity, "stock.invalid")
	require.Equal(t, "/on_hand", got.Get("errors.0.pointer"))
}
