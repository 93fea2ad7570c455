package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	_ "github.com/banyan-tree/banyan/internal/database" // brings the shop's own driver "sqlite"
)

// finds waits until a question finds so many.
func finds(t *testing.T, s *shoptest.Server, query string, want int64) {
	t.Helper()
	shoptest.Until(t, fmt.Sprintf("GET /search?%s finds %d", query, want), func() bool {
		return s.Anyone().Get(t, "/search?"+query).Number(t, "total") == want
	})
}

// published counts the products that the catalogue shows.
func published(t *testing.T, s *shoptest.Server) (n int64) {
	t.Helper()
	for cursor := ""; ; {
		page := s.Anyone().Get(t, "/products?limit=100&cursor="+url.QueryEscape(cursor))
		items, ok := page.At("items").([]any)
		require.True(t, ok, page.Raw)
		n += int64(len(items))
		if cursor = page.Text("next_cursor"); cursor == "" {
			return n
		}
	}
}

// answers are what search says to a number of questions, word by word.
func answers(t *testing.T, s *shoptest.Server) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, query := range []string{
		"", "q=fig", "q=plant", "q=plnat+pot", "q=clay&sort=price", "q=small&sort=-price&limit=7", "q=leaf&in_stock=true", "min_price=2000&max_price=5000&sort=newest",
		"q=the&limit=100", "q=nothing+of+the+kind",
	} {
		all[query] = s.Anyone().Get(t, "/search?"+query).Raw
	}
	for _, typed := range []string{"f", "fi", "pot", "lef"} {
		all[typed] = s.Anyone().Get(t, "/search/suggestions?q="+typed).Raw
	}
	return all
}

// TestSearch looks for what the shop has: changes are found as they are made, the
// index is built anew beside the running shop, also when a builder is killed on the
// way, and dropping its tables loses nothing.
func TestSearch(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Abs(filepath.Join(root, "internal/shopcsv/testdata"))
	require.NoError(t, err)
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at)
		bring(t, s.Site, 0, filepath.Join(samples, "apparel.csv"), filepath.Join(samples, "home-and-garden.csv"))
		finds(t, s, "", published(t, s))
		pot := s.Anyone().Get(t, "/search?q=caly+pot&sort=price")
		require.Contains(t, pot.Raw, `"handle":"clay-plant-pot"`)
		require.Contains(t, pot.Raw, `"word":"caly"`)
		s.Anyone().Refused(t, http.StatusUnprocessableEntity, "search.invalid", http.MethodGet, "/search?min_price=2&max_price=1", nil)

		// A price, a level and a title are found as they are changed.
		admin := s.Admin(t)
		for i := range 5 {
			price := 70_000_000 + i
			admin.Do(t, http.StatusOK, http.MethodPut, "/prices/fiddle-leaf-fig--small", shoptest.Object{"price": shoptest.Object{"amount": price, "currency": "USD"}})
			admin.Do(t, http.StatusOK, http.MethodPut, "/prices/fiddle-leaf-fig--large", shoptest.Object{"price": shoptest.Object{"amount": price, "currency": "USD"}})
			finds(t, s, fmt.Sprintf("q=fiddle&min_price=%d&max_price=%d", price, price), 1)
		}
		for _, sku := range []string{"fiddle-leaf-fig--small", "fiddle-leaf-fig--large"} {
			admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+sku, shoptest.Object{"on_hand": 0})
		}
		finds(t, s, "q=fiddle+leaf+fig&in_stock=false", 1)
		for _, change := range []string{"product", "price", "stock"} {
			require.Positive(t, s.Metric(t, "banyan_search_freshness_seconds_count", `change="`+change+`"`))
		}
		s.Quiet(t)
		want := answers(t, s)
		require.Contains(t, want["q=fig"], "fiddle-leaf-fig")

		// Built anew, beside the running shop.
		var done struct {
			Consumer string
			Events   int
			Rebuilt  bool
		}
		s.JSON(t, &done, "events", "replay", "--to", "search", "--json")
		require.True(t, done.Rebuilt)
		require.Greater(t, done.Events, 300)
		require.Equal(t, want, answers(t, s))
		s.JSON(t, &done, "events", "replay", "--to", "search", "--json", "--from", "2026-01-01")
		require.False(t, done.Rebuilt)
		require.Equal(t, want, answers(t, s))

		killBuilders(t, s, want)

		// Dropped, and made of the log again.
		s.Audited(t)
		require.Zero(t, s.Stop(t))
		dropSearch(t, at)
		again := shoptest.Serve(t, at)
		finds(t, again, "", published(t, again))
		again.Quiet(t)
		require.Equal(t, want, answers(t, again))
		require.Contains(t, again.OK(t, "events", "replay", "--to", "search"), "answers from that now")
		require.Equal(t, want, answers(t, again))
		again.Audited(t)
	})
}

// killBuilders kills a replay half-way: the index that was there answers on, nobody
// else builds while the dead one may be alive, and in the end the next one succeeds.
func killBuilders(t *testing.T, s *shoptest.Server, want map[string]string) {
	t.Helper()
	look := searchData(t, s.Site)
	halfway := func() bool {
		var n int
		require.NoError(t, look.QueryRowContext(t.Context(), "SELECT count(*) FROM generations WHERE state = 'building'").Scan(&n))
		return n == 1
	}
	killed := false
	for range 5 {
		cmd := s.Command(context.WithoutCancel(t.Context()), t, "events", "replay", "--to", "search")
		require.NoError(t, cmd.Start())
		over := make(chan struct{})
		go func() {
			_ = cmd.Wait() // killed, or too quick
			close(over)
		}()
		shoptest.Until(t, "an index is half built, or done", func() bool {
			select {
			case <-over:
				return true
			default:
				return halfway()
			}
		})
		_ = cmd.Process.Kill()
		<-over
		if killed = halfway(); killed {
			break
		}
	}
	require.True(t, killed, "no builder could be killed half-way")
	require.Equal(t, want, answers(t, s))
	r := s.App(t, "events", "replay", "--to", "search")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "is being built already")
	if shoptest.Storm(0, 1) == 0 {
		return // the rest takes as long as a builder may be silent
	}
	shoptest.Until(t, "the index can be built again", func() bool { return s.App(t, "events", "replay", "--to", "search").Code == 0 })
	require.Equal(t, want, answers(t, s))
	require.False(t, halfway())
}

// searchData opens what search keeps, past the shop.
func searchData(t *testing.T, at shoptest.Site) *sql.DB {
	t.Helper()
	driver, address := "pgx", at.Setting("BANYAN_DATABASE_URL")
	if address == "" {
		driver, address = "sqlite", filepath.Join(at.Data, "search.db")+"?_pragma=busy_timeout(10000)"
	} else {
		address += "&search_path=search"
	}
	db, err := sql.Open(driver, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

// dropSearch takes away all that search keeps.
func dropSearch(t *testing.T, at shoptest.Site) {
	t.Helper()
	address := at.Setting("BANYAN_DATABASE_URL")
	if address == "" {
		files, err := filepath.Glob(filepath.Join(at.Data, "search.db*"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			require.NoError(t, os.Remove(f))
		}
		return
	}
	db := searchData(t, at)
	_, err := db.ExecContext(t.Context(), "DROP SCHEMA search CASCADE")
	require.NoError(t, err)
	var left int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'search'").Scan(&left))
	require.Zero(t, left)
}
