package searchhttp_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchhttp"
	"github.com/banyan-tree/banyan/modules/search/searchtest"
)

// pots is a shop with three pots of two vendors, one plate, and words that are HTML.
func pots(t *testing.T) func(query string) webtest.Response {
	t.Helper()
	fake := searchtest.NewFake()
	searchtest.NewShelf(fake.Harness()).MustPut(t,
		searchtest.Thing{Handle: "clay-pot", Title: "Clay <b>pot</b> & \"lid\"", Vendor: "Terra", Category: "Pots", Price: 1500, Was: 2000, Stock: 5, Day: 1, Description: "<p>A pot &lt;script&gt; for <i>herbs</i>.</p>"},
		searchtest.Thing{Handle: "tin-pot", Title: "Tin pot", Vendor: "Metal & Co", Category: "Pots", Price: 900, Stock: 2, Day: 2},
		searchtest.Thing{Handle: "old-pot", Title: "Old pot", Vendor: "Terra", Category: "Antiques", Price: 12_000, Day: 3},
		searchtest.Thing{Handle: "plate", Title: "Plate", Vendor: "Terra", Category: "Plates", Price: 400, Stock: 1, Day: 4},
	)
	s := webtest.New(t, func(r *web.Router) { searchhttp.Register(r, searchhttp.Deps{Search: fake}) })
	return func(query string) webtest.Response { return s.Do(http.MethodGet, "/api/v1/search"+query, nil) }
}

// page is what a client reads of an answer.
type page struct {
	Items       []search.Item
	Facets      search.Facets
	Total       int64
	Corrections []search.Correction
	NextCursor  *string `json:"next_cursor"`
}

func (p page) handles() []string { return searchtest.Handles(search.Results{Items: p.Items}) }

func read(t *testing.T, r webtest.Response) page {
	t.Helper()
	var p page
	r.Require(http.StatusOK).Decode(&p)
	return p
}

func TestParametersNarrowWhatIsFound(t *testing.T) {
	t.Parallel()
	get := pots(t)
	for query, want := range map[string][]string{
		"":                                {"plate", "tin-pot", "clay-pot", "old-pot"},
		"?sort=price":                     {"plate", "tin-pot", "clay-pot", "old-pot"},
		"?sort=-price":                    {"old-pot", "clay-pot", "tin-pot", "plate"},
		"?sort=newest":                    {"plate", "old-pot", "tin-pot", "clay-pot"},
		"?q=pot":                          {"tin-pot", "clay-pot", "old-pot"},
		"?q=pot&category=Pots":            {"tin-pot", "clay-pot"},
		"?q=pot&vendor=Terra":             {"clay-pot", "old-pot"},
		"?vendor=Metal+%26+Co":            {"tin-pot"},
		"?q=pot&in_stock=false":           {"old-pot"},
		"?q=pot&in_stock=true&sort=price": {"tin-pot", "clay-pot"},
		"?min_price=900&max_price=1500":   {"tin-pot", "clay-pot"},
		"?min_price=12001":                {},
		"?q=%22clay%22+%26+(pot:*)":       {"clay-pot"},
	} {
		require.Equal(t, want, read(t, get(query)).handles(), query)
	}
	p := read(t, get("?q=plaet"))
	require.Equal(t, []string{"plate"}, p.handles())
	require.Equal(t, []search.Correction{{Word: "plaet", Instead: []string{"plate"}}}, p.Corrections)
	p = read(t, get("?q=clay"))
	require.Equal(t, money.Of(1500, "USD"), p.Items[0].Price)
	require.Equal(t, money.Of(2000, "USD"), *p.Items[0].CompareAt)
}

func TestFacetsCountWhatAnotherValueWouldFind(t *testing.T) {
	t.Parallel()
	get := pots(t)
	p := read(t, get("?q=pot&vendor=Terra&limit=1"))
	ten, twenty, hundred, two := int64(1000), int64(2000), int64(10_000), int64(20_000)
	require.EqualValues(t, 2, p.Total, "of all pages")
	require.Equal(t, search.Facets{
		Category: []search.Count{{Value: "Antiques", Count: 1}, {Value: "Pots", Count: 1}},
		Vendor:   []search.Count{{Value: "Terra", Count: 2}, {Value: "Metal & Co", Count: 1}},
		Price:    []search.PriceCount{{From: ten, To: &twenty, Count: 1}, {From: hundred, To: &two, Count: 1}},
	}, p.Facets)
	nothing := get("?q=nothing+at+all").Require(http.StatusOK)
	for _, list := range []string{"items", "facets.category", "facets.vendor", "facets.price", "corrections"} {
		require.Equal(t, "[]", nothing.Get(list), "%s: a client must find a list, not null", list)
	}
}

func TestPagesAreReadByCursor(t *testing.T) {
	t.Parallel()
	get := pots(t)
	for _, sort := range []string{"relevance", "price", "-price", "newest"} {
		whole := read(t, get("?sort="+sort))
		require.Nil(t, whole.NextCursor)
		var got []string
		pages := 0
		for query := "?limit=1&sort=" + sort; ; pages++ {
			p := read(t, get(query))
			require.Len(t, p.Items, 1)
			require.Less(t, pages, 4, "the pages of %s have no end", sort)
			require.EqualValues(t, 4, p.Total)
			if got = append(got, p.handles()...); p.NextCursor == nil {
				break
			}
			query = "?limit=1&sort=" + sort + "&cursor=" + url.QueryEscape(*p.NextCursor)
		}
		require.Equal(t, 3, pages, "with a cursor")
		require.Equal(t, whole.handles(), got, sort)
	}
	next := *read(t, get("?limit=1&sort=price")).NextCursor
	get("?limit=1&sort=newest&cursor="+next).RequireCode(http.StatusBadRequest, "malformed")
	get("?cursor=x").RequireCode(http.StatusBadRequest, "malformed")
}

func TestWhatIsFoundIsMarkedAndEscaped(t *testing.T) {
	t.Parallel()
	get := pots(t)
	item := read(t, get("?q=pot+herb+lid&vendor=Terra")).Items[0]
	require.Equal(t, `Clay &lt;b&gt;<mark>pot</mark>&lt;/b&gt; &amp; &#34;<mark>lid</mark>&#34;`, item.Highlight.Title)
	require.Equal(t, `A <mark>pot</mark> &lt;script&gt; for <mark>herbs</mark> .`, item.Highlight.Description)
	require.Equal(t, `Clay <b>pot</b> & "lid"`, item.Title, "the title itself is text")
	require.Equal(t, `Clay &lt;b&gt;pot&lt;/b&gt; &amp; &#34;<mark>lid</mark>&#34;`, get("/suggestions?q=lid").Require(http.StatusOK).Get("items.0.highlight"))
	require.Equal(t, "category", get("/suggestions?q=pots&limit=1").Require(http.StatusOK).Get("items.0.kind"))
}

func TestProblemsNameTheParameter(t *testing.T) {
	t.Parallel()
	get := pots(t)
	for query, want := range map[string]struct {
		status         int
		code, location string
	}{
		"?limit=0":                   {422, "invalid", "query/limit"},
		"?limit=101":                 {422, "invalid", "query/limit"},
		"?sort=best":                 {422, "invalid", "query/sort"},
		"?min_price=-1":              {422, "invalid", "query/min_price"},
		"?min_price=2&max_price=1":   {422, "search.invalid", "query/max_price"},
		"?limit=many":                {400, "malformed", "query/limit"},
		"?in_stock=maybe":            {400, "malformed", "query/in_stock"},
		"?colour=red":                {400, "malformed", "query/colour"},
		"?cursor=x":                  {400, "malformed", "query/cursor"},
		"/suggestions":               {422, "invalid", "query/q"},
		"/suggestions?q=a&limit=21":  {422, "invalid", "query/limit"},
		"/suggestions?q=a&limit=few": {400, "malformed", "query/limit"},
	} {
		got := get(query)
		require.Equal(t, want.status, got.Status, query)
		require.Equal(t, want.code, got.Get("code"), query)
		require.Equal(t, want.location, got.Get("errors.0.pointer"), query)
	}
}
