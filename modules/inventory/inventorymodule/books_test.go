package inventorymodule_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/inventorymodule"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
	"github.com/banyan-tree/banyan/modules/orders"
)

// codeOf is the fault's name, "" for none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.From(err).Code.Name()
}

func expire(t require.TestingT, m *inventorymodule.Module) {
	sweeper, ok := m.Service.(interface {
		Expire(ctx context.Context) (int, error)
	})
	require.True(t, ok)
	_, err := sweeper.Expire(context.Background())
	require.NoError(t, err)
}

// requireEvents checks that a SKU's events are versions 1, 2, … and that the last
// one says what the level is.
func requireEvents(t require.TestingT, m *inventorymodule.Module, want inventory.Level) {
	log, err := m.Outbox.List(context.Background(), event.Filter{Topic: inventory.Topic, AggregateID: want.SKU, Limit: 1000})
	require.NoError(t, err)
	slices.SortFunc(log, func(a, b event.Logged) int { return int(a.Version - b.Version) })
	for i, e := range log {
		require.EqualValues(t, i+1, e.Version)
	}
	require.NotEmpty(t, log)
	var last inventory.Level
	require.NoError(t, json.Unmarshal(log[len(log)-1].Data, &last))
	require.Equal(t, want, last)
}

// Whatever is done in whatever order, the module answers as the model does, its
// books balance, and its events tell the same story.
func TestBooksBalanceWhateverIsDone(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		m := setup(t, db, now.Now)
		ctx := inventorytest.Shop()
		rapid.Check(t, func(t *rapid.T) {
			run := id.V7()
			fake := inventorytest.NewFake()
			fake.Now = now.Now
			skus := []string{run + "-a", run + "-b", run + "-c"}
			both := func(ask func(svc inventory.Service) (any, error)) {
				want, wantErr := ask(fake)
				got, err := ask(m.Service)
				require.Equal(t, codeOf(wantErr), codeOf(err), "%v", err)
				if err == nil {
					require.Equal(t, want, got)
				}
			}
			sku, order := rapid.SampledFrom(skus), rapid.SampledFrom([]string{run + "-1", run + "-2", run + "-3", run + "-4"})
			named := func(t *rapid.T) inventory.ReservationRequest {
				return inventory.ReservationRequest{OrderID: order.Draw(t, "order")}
			}
			t.Repeat(map[string]func(*rapid.T){
				"set on hand": func(t *rapid.T) {
					req := inventory.SetOnHandRequest{}
					for _, s := range rapid.SliceOfNDistinct(sku, 1, 3, rapid.ID[string]).Draw(t, "skus") {
						req.Levels = append(req.Levels, inventory.OnHand{SKU: s, OnHand: rapid.Int64Range(0, 9).Draw(t, "on hand")})
					}
					both(func(svc inventory.Service) (any, error) { return svc.SetOnHand(ctx, req) })
				},
				"hold": func(t *rapid.T) {
					req := inventory.HoldRequest{OrderID: order.Draw(t, "order")}
					for range rapid.IntRange(1, 3).Draw(t, "lines") {
						req.Lines = append(req.Lines, inventory.Line{SKU: sku.Draw(t, "sku"), Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity")})
					}
					both(func(svc inventory.Service) (any, error) { return svc.Hold(ctx, req) })
				},
				"commit": func(t *rapid.T) {
					req := named(t)
					both(func(svc inventory.Service) (any, error) { return svc.Commit(ctx, req) })
				},
				"release": func(t *rapid.T) {
					req := named(t)
					both(func(svc inventory.Service) (any, error) { return svc.Release(ctx, req) })
				},
				"get": func(t *rapid.T) {
					req := named(t)
					both(func(svc inventory.Service) (any, error) { return svc.Get(ctx, req) })
				},
				"expire": func(t *rapid.T) {
					now.Advance(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
					expire(t, m)
					fake.Expire()
				},
				"": func(t *rapid.T) {
					both(func(svc inventory.Service) (any, error) {
						return svc.Levels(ctx, inventory.LevelsRequest{SKUs: skus})
					})
				},
			})
			levels, err := m.Service.Levels(ctx, inventory.LevelsRequest{SKUs: skus})
			require.NoError(t, err)
			for _, l := range levels.Items {
				requireEvents(t, m, l)
			}
		})
		requireClean(t, m)
	})
}

// Commits, releases and expiry of the same holds at once: each is turned once.
func TestEndsOfAHoldRace(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		m := setup(t, db, now.Now)
		ctx := inventorytest.Shop()
		const holds = 12
		inventorytest.MustStock(t, m.Service, "fig", 2*holds)
		inventorytest.MustStock(t, m.Service, "ivy", holds)
		for i := range holds {
			_, err := m.Service.Hold(ctx, inventory.HoldRequest{
				OrderID: fmt.Sprint("o", i), Lines: []inventory.Line{{SKU: "ivy", Quantity: 1}, {SKU: "fig", Quantity: 2}},
			})
			require.NoError(t, err)
		}
		now.Advance(inventory.HoldTTL)
		var wg sync.WaitGroup
		errs := make(chan error, 3*holds)
		for i := range holds {
			of := inventory.ReservationRequest{OrderID: fmt.Sprint("o", i)}
			wg.Go(func() { _, err := m.Service.Commit(ctx, of); errs <- err })
			wg.Go(func() {
				if i%3 == 0 {
					_, err := m.Service.Release(ctx, of)
					errs <- err
				}
			})
			wg.Go(func() {
				if i%4 == 0 {
					expire(t, m)
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil && !errors.Is(err, inventory.ReservationExpired) {
				require.NoError(t, err)
			}
		}
		var sold int64
		for i := range holds {
			r, err := m.Service.Get(ctx, inventory.ReservationRequest{OrderID: fmt.Sprint("o", i)})
			require.NoError(t, err)
			require.NotEqual(t, inventory.Held, r.Status)
			if r.Status == inventory.Committed {
				sold++
			}
		}
		fig, ivy := inventorytest.MustLevel(t, m.Service, "fig"), inventorytest.MustLevel(t, m.Service, "ivy")
		require.Equal(t, inventory.Level{SKU: "fig", OnHand: 2 * (holds - sold), Available: 2 * (holds - sold)}, fig)
		require.Equal(t, inventory.Level{SKU: "ivy", OnHand: holds - sold, Available: holds - sold}, ivy)
		requireEvents(t, m, fig)
		requireEvents(t, m, ivy)
		requireClean(t, m)
	})
}

// The same order held by many at once is held once.
func TestOneHoldPerOrder(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		inventorytest.MustStock(t, m.Service, "fig", 64)
		got := make(chan inventory.Reservation, 64)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				r, err := m.Service.Hold(inventorytest.Shop(), inventory.HoldRequest{OrderID: "o", Lines: []inventory.Line{{SKU: "fig", Quantity: 1}}})
				if err != nil {
					t.Error(err)
				}
				got <- r
			})
		}
		wg.Wait()
		first := <-got
		for range 63 {
			require.Equal(t, first, <-got)
		}
		require.EqualValues(t, 1, inventorytest.MustLevel(t, m.Service, "fig").Reserved)
		requireClean(t, m)
	})
}

// A cancelled order gives back what it bought, once, however often it is told.
func TestCancelledOrdersAreRestocked(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		m := setup(t, db, clock.System)
		ctx := inventorytest.Shop()
		inventorytest.MustStock(t, m.Service, "fig", 5)
		_, err := m.Service.Hold(ctx, inventory.HoldRequest{OrderID: "o1", Lines: []inventory.Line{{SKU: "fig", Quantity: 2}}})
		require.NoError(t, err)
		_, err = m.Service.Commit(ctx, inventory.ReservationRequest{OrderID: "o1"})
		require.NoError(t, err)
		data, err := json.Marshal(orders.OrderEnded{OrderID: "o1"})
		require.NoError(t, err)
		cancelled := event.Envelope{
			ID: id.V7(), Source: "orders", Topic: orders.Topic, Type: orders.WasCancelled.Name(), AggregateID: "o1", Version: 1,
			Time: clock.System(), Data: data,
		}
		require.NoError(t, m.Consumer.Deliver(t.Context(), []event.Envelope{cancelled, cancelled}))
		require.NoError(t, m.Consumer.Deliver(t.Context(), []event.Envelope{cancelled}))
		want := inventory.Level{SKU: "fig", OnHand: 5, Available: 5}
		require.Equal(t, want, inventorytest.MustLevel(t, m.Service, "fig"))
		requireEvents(t, m, want)
		requireClean(t, m)
	})
}
