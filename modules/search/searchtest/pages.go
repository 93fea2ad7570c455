package searchtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/modules/search"
)

// MustSuggest gives the texts that are suggested, at most 20.
func MustSuggest(t testing.TB, svc search.Service, text string) []string {
	t.Helper()
	found, err := svc.Suggest(t.Context(), search.SuggestRequest{Text: text, Limit: search.MaxSuggestions})
	require.NoError(t, err)
	texts := []string{}
	for _, s := range found.Items {
		texts = append(texts, s.Text)
	}
	return texts
}

// exercisePages reads lists in which most sort keys are equal: pages of any size
// give each item once, in the order of the whole list, also while others change.
func exercisePages(t *testing.T, h Harness, s *Shelf) {
	var things []Thing
	for i := range 60 {
		things = append(things, Thing{
			Handle: Numbered("pager", i), Title: "Pager", Vendor: "Pages", Category: "Pager", Price: int64(1000 + i%3*1000), Stock: int64(i % 2), Day: 40 + i%4,
		})
	}
	s.MustPut(t, things...)
	for _, sort := range []string{"", search.Relevance, search.Cheapest, search.Dearest, search.Newest} {
		for _, text := range []string{"pager", ""} {
			whole := search.FindRequest{Text: text, Vendor: "Pages", Sort: sort}
			all := MustFind(t, h.Service, whole)
			require.Len(t, all.Items, 60)
			require.Empty(t, all.Next)
			requireOrder(t, sort, all.Items)
			for _, limit := range []int{1, 7, 20, 60} {
				var got []string
				req := whole
				req.Limit = limit
				for {
					page := MustFind(t, h.Service, req)
					require.EqualValues(t, 60, page.Total)
					require.LessOrEqual(t, len(page.Items), limit)
					got = append(got, Handles(page)...)
					if page.Next == "" {
						break
					}
					req.After = page.Next
				}
				require.Equal(t, Handles(all), got, "sort %q, limit %d", sort, limit)
			}
		}
	}
	// What comes and goes between two pages moves nothing else.
	first := MustFind(t, h.Service, search.FindRequest{Vendor: "Pages", Sort: search.Newest, Limit: 30})
	whole := MustFind(t, h.Service, search.FindRequest{Vendor: "Pages", Sort: search.Newest})
	s.MustPut(t, Thing{Handle: "pager-new", Title: "Pager", Vendor: "Pages", Price: 1, Day: 50})
	rest := MustFind(t, h.Service, search.FindRequest{Vendor: "Pages", Sort: search.Newest, After: first.Next})
	require.Equal(t, Handles(whole), slices.Concat(Handles(first), Handles(rest)))
}

func requireOrder(t *testing.T, sort string, items []search.Item) {
	t.Helper()
	for i := 1; i < len(items); i++ {
		a, b := items[i-1], items[i]
		switch sort {
		case search.Cheapest:
			require.LessOrEqual(t, a.Price.Amount, b.Price.Amount)
		case search.Dearest:
			require.GreaterOrEqual(t, a.Price.Amount, b.Price.Amount)
		case search.Relevance:
			require.False(t, !a.InStock && b.InStock, "what is there comes first")
		}
	}
}

func exerciseSuggestions(t *testing.T, h Harness, s *Shelf) {
	svc := h.Service
	s.MustPut(t,
		Thing{Handle: "q1", Title: "Quilt of wool", Vendor: "Quincy", Category: "Quilts", Price: 10, Day: 60},
		Thing{Handle: "q2", Title: "Wool quilt", Vendor: "Quincy", Category: "Home Quilts", Price: 10, Day: 61},
		Thing{Handle: "q3", Title: "Quilt of wool", Vendor: "Quincy", Category: "Quilts", Price: 10, Day: 62},
	)
	require.Equal(t, []string{"Home Quilts", "Quilts", "Quilt of wool", "Wool quilt"}, MustSuggest(t, svc, "quil"))
	require.Equal(t, []string{"Quilt of wool"}, MustSuggest(t, svc, "quilt o"))
	require.Equal(t, []string{"Wool quilt", "Quilt of wool"}, MustSuggest(t, svc, "wool quilt"), "in any order of words")
	require.Equal(t, []string{"Quincy"}, MustSuggest(t, svc, "QUÍNC"))
	require.Empty(t, MustSuggest(t, svc, ""))
	require.Empty(t, MustSuggest(t, svc, "?!"))
	require.Contains(t, MustSuggest(t, svc, "qiult"), "Wool quilt", "mistyped")
	found, err := svc.Suggest(t.Context(), search.SuggestRequest{Text: "home q", Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []search.Suggestion{{Kind: search.OfCategory, Text: "Home Quilts", Highlight: "<mark>Home</mark> <mark>Quilts</mark>"}}, found.Items)
	found, err = svc.Suggest(t.Context(), search.SuggestRequest{Text: "wool qu", Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []search.Suggestion{{Kind: search.OfProduct, Text: "Wool quilt", Highlight: "<mark>Wool</mark> <mark>quilt</mark>", Handle: "q2"}}, found.Items)
	require.Contains(t, MustSuggest(t, svc, "s"), "Shirts and skirts")
}
