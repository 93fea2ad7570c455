package porttest_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
)

type order struct {
	ID     string            `json:"id"`
	Total  money.Money       `json:"total"`
	Lines  []money.Money     `json:"lines"`
	Labels map[string]string `json:"labels,omitzero"`
	Parent *order            `json:"parent"`
	At     time.Time         `json:"at"`
	Paid   *time.Time        `json:"paid,omitempty"`
	Proof  []byte            `json:"proof"`
}

type service interface {
	Place(ctx context.Context, o order) (order, error)
	ListOrders(ctx context.Context) ([]order, error)
	Forget(ctx context.Context, id string) error
}

var (
	place  = port.Command[order, order]("shop.place", port.Key(func(o order) string { return o.ID }))
	list   = port.Query[struct{}, []order]("shop.list_orders")
	forget = port.Command[string, struct{}]("shop.forget")
)

func TestComplete(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[service](), place, list, forget)
}

func TestProblemsAreFound(t *testing.T) {
	t.Parallel()
	contract := reflect.TypeFor[service]()
	require.Empty(t, porttest.Problems(contract, place, list, forget))
	for name, methods := range map[string][]port.Described{
		"missing":     {place, list},
		"twice":       {place, list, forget, port.Query[string, struct{}]("shop.forget")},
		"too many":    {place, list, forget, port.Query[string, struct{}]("shop.lose")},
		"request":     {place, list, port.Command[int, struct{}]("shop.forget")},
		"reply":       {place, list, port.Command[string, string]("shop.forget")},
		"other shape": {place, port.Query[order, []order]("shop.list_orders"), forget},
	} {
		require.Len(t, porttest.Problems(contract, methods...), 1, name)
	}
	require.Len(t, porttest.Problems(reflect.TypeFor[order]()), 1)
	type bad interface{ Place(order) (order, error) }
	require.Len(t, porttest.Problems(reflect.TypeFor[bad](), place), 1)
}

func TestLostPartsAreFound(t *testing.T) {
	t.Parallel()
	require.Empty(t, porttest.Lost(reflect.TypeFor[order]()))
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct{ secret string }](),
		reflect.TypeFor[struct{ Value any }](),
		reflect.TypeFor[[]struct{ Done func() }](),
		reflect.TypeFor[struct {
			Hidden string `json:"-"`
		}](),
		reflect.TypeFor[struct {
			List []string `json:"list,omitempty"`
		}](),
	} {
		require.Len(t, porttest.Lost(typ), 1, typ)
	}
}

func TestWays(t *testing.T) {
	t.Parallel()
	var ran []string
	porttest.Ways(t, func(s *port.Server) {
		placed := map[string]order{}
		place.Handle(s, func(_ context.Context, o order) (order, error) {
			if first, ok := placed[o.ID]; ok {
				return first, nil
			}
			placed[o.ID] = order{ID: o.ID, Total: money.Of(int64(len(placed)), "USD")}
			return placed[o.ID], nil
		})
		forget.Handle(s, func(context.Context, string) (struct{}, error) { return struct{}{}, fault.NotFound })
	}, func(t *testing.T, conn *port.Conn) {
		ran = append(ran, t.Name())
		require.Equal(t, "shop", conn.Module())
		o, err := place.Call(t.Context(), conn, order{ID: "1"})
		require.NoError(t, err)
		require.Equal(t, "1", o.ID)
		_, err = forget.Call(t.Context(), conn, "1")
		require.ErrorIs(t, err, fault.NotFound)
	})
	require.Equal(t, []string{"TestWays/direct", "TestWays/loopback", "TestWays/rabbitmq"}, ran)
}

func TestServed(t *testing.T) {
	t.Parallel()
	methods := porttest.Served(func(s *port.Server) {
		list.Handle(s, func(context.Context, struct{}) ([]order, error) { return nil, nil })
		place.Handle(s, func(context.Context, order) (order, error) { return order{}, nil })
	})
	require.Equal(t, []port.Described{list, place}, methods)
}
