package searchmodule_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchmodule"
	"github.com/banyan-tree/banyan/modules/search/searchtest"
)

// FuzzFind types anything at all: it is never refused, by us or by the grammar of
// FTS5, and nothing but our marks is markup in what comes back.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"", "clay pot", `"clay`, "clay* NEAR(pot, 2) OR {title}: x", "a:b & !c | 'd' <-> e", "\x00\xff", "café \u0301\u0301", "北京 お茶", "'; DROP TABLE documents; --",
		strings.Repeat("(", 300), strings.Repeat("é", 300), "ﬃ ǆ ß İ ſ", "-clay +pot ^x", "<script>alert(1)</script>",
	} {
		f.Add(seed)
	}
	cluster, err := database.Open(f.Context(), database.Config{Dir: f.TempDir()})
	require.NoError(f, err)
	f.Cleanup(func() { _ = cluster.Close() })
	db, err := cluster.Module(f.Context(), "search", 4)
	require.NoError(f, err)
	require.NoError(f, db.Migrate(f.Context(), searchmodule.Migrations()...))
	m, err := searchmodule.New(searchmodule.Deps{DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD"})
	require.NoError(f, err)
	searchtest.NewShelf(searchtest.Harness{Service: m.Service, Hear: hear(m)}).MustPut(f,
		searchtest.Thing{Handle: "pot", Title: "Clay <b>pot</b> & café", Description: "a &lt;script&gt; of 北京", Vendor: "V", Category: "C", Price: 5},
	)
	f.Fuzz(func(t *testing.T, text string) {
		found, err := m.Service.Find(t.Context(), search.FindRequest{Text: text, Limit: 5})
		require.NoError(t, err)
		suggested, err := m.Service.Suggest(t.Context(), search.SuggestRequest{Text: text, Limit: 5})
		require.NoError(t, err)
		var html []string
		for _, item := range found.Items {
			html = append(html, item.Highlight.Title, item.Highlight.Description)
		}
		for _, s := range suggested.Items {
			html = append(html, s.Highlight)
		}
		for _, h := range html {
			require.NotContains(t, strings.NewReplacer("<mark>", "", "</mark>", "").Replace(h), "<")
		}
	})
}
