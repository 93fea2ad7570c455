package searchmodule_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/search/searchmodule"
	"github.com/banyan-tree/banyan/modules/search/searchtest"
)

// BenchmarkFill is what one product costs with its price and its stock, in
// deliveries of many, on SQLite.
func BenchmarkFill(b *testing.B) {
	cluster, err := database.Open(b.Context(), database.Config{Dir: b.TempDir(), Guard: database.GuardReport})
	require.NoError(b, err)
	defer func() { _ = cluster.Close() }()
	db, err := cluster.Module(b.Context(), "search", 4)
	require.NoError(b, err)
	require.NoError(b, db.Migrate(b.Context(), searchmodule.Migrations()...))
	m, err := searchmodule.New(searchmodule.Deps{DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD"})
	require.NoError(b, err)
	shelf := searchtest.NewShelf(searchtest.Harness{})
	tell := hear(m)
	const many = 256
	n := 0
	for b.Loop() {
		var things []searchtest.Thing
		for range many {
			n++
			things = append(things, searchtest.Thing{
				Handle: fmt.Sprint("thing-", n), Title: fmt.Sprint("A brass lantern no. ", n), Vendor: fmt.Sprint("Workshop ", n%50), Category: "Lanterns",
				Description: "<p>A handmade lantern of brass with a story. It goes well with walnut and linen and lasts for years; wipe it with a dry cloth.</p>",
				Price:       int64(n), Stock: 3, Day: n % 300,
			})
		}
		events := shelf.Events(things...)
		for part := range 3 { // one owner after the other, as their logs are read
			var mine = events[:0:0]
			for i := part; i < len(events); i += 3 {
				mine = append(mine, events[i])
			}
			require.NoError(b, tell(mine...))
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "products/s")
}
