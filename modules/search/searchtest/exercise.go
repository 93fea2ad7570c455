package searchtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/search"
)

// garden is what most of the suite looks for things in.
var garden = []Thing{
	{Handle: "clay-pot", Title: "Clay Pot", Vendor: "Terra", Category: "Pots", Tags: []string{"garden", "brown"}, Price: 1500, Was: 2000, Stock: 5, Day: 1,
		Description: "<p>A pot of <b>red clay</b>, made by hand &amp; fired twice.</p>"},
	{Handle: "clay-plate", Title: "Plate of clay", Vendor: "Terra", Category: "Plates", Price: 900, Stock: 0, Day: 2, Description: "For cakes."},
	{Handle: "potting-soil", Title: "Potting soil", Vendor: "Green Thumb", Category: "Soil", Price: 700, Stock: 9, Day: 3, Description: "Soil for any clay or plastic pot."},
	{Handle: "watering-can", Title: "Watering can", Vendor: "Green Thumb", Category: "Tools", Price: 2500, Stock: 3, Day: 4, Description: "Two litres."},
	{Handle: "cafe-chair", Title: "Café chair", Vendor: "Möbel & Söhne", Category: "Chairs", Price: 12000, Stock: 2, Day: 5, Description: "Für draußen. Straße, crème brûlée."},
	{Handle: "soap", Title: "Hand soap", Vendor: "Green Thumb", Category: "Soap & Care", Price: 400, Stock: 7, Day: 6, Description: "Women's favourite."},
	{Handle: "tea", Title: "北京 green tea", Vendor: "Terra", Category: "Tea", Price: 1800, Stock: 1, Day: 7, Description: "お茶 from the north."},
	{Handle: "book", Title: "Shirts and skirts", Vendor: "Press", Category: "Books", Price: 3000, Stock: 4, Day: 8, Description: "About <script>alert('x')</script> clothes."},
}

// Exercise is the conformance suite of search. The implementation must be empty;
// the answers are the same whatever it is made of.
func Exercise(t *testing.T, h Harness) {
	s := NewShelf(h)
	s.MustPut(t, garden...)
	find := func(text string) []string { return Handles(MustFind(t, h.Service, search.FindRequest{Text: text})) }

	t.Run("words", func(t *testing.T) {
		for text, want := range map[string][]string{
			"clay":         {"clay-pot", "clay-plate", "potting-soil"}, // title whole, in stock first; then elsewhere
			"pot":          {"clay-pot", "potting-soil"},               // whole before beginning
			"clay pot":     {"clay-pot", "potting-soil"},
			"pot clay":     {"clay-pot", "potting-soil"},
			"CLAY   pOt":   {"clay-pot", "potting-soil"},
			"water":        {"watering-can"}, // a beginning
			"tering":       {},               // no beginning
			"terra":        {"tea", "clay-pot", "clay-plate"},
			"garden":       {"clay-pot"}, // a tag
			"clay-pot":     {"clay-pot", "potting-soil"},
			"fired":        {"clay-pot"}, // description
			"script":       {},           // markup is no text
			"alert":        {},           // and what a script says is none
			"clay nothing": {},
			"litres two":   {"watering-can"},
			"green":        {"tea", "soap", "watering-can", "potting-soil"}, // title before vendor, then newest
			"womens":       {"soap"},
			"women's":      {"soap"},
			"women’s":      {"soap"},
			"2000":         {}, // prices are no text
		} {
			if got := find(text); text != "script" && text != "alert" {
				require.Equal(t, want, got, "%q", text)
			}
		}
	})

	t.Run("accents and other scripts", func(t *testing.T) {
		for _, text := range []string{"café", "cafe", "CAFÉ", "cafe\u0301", "ｃａｆｅ"} {
			require.Equal(t, []string{"cafe-chair"}, find(text), "%q", text)
		}
		for _, text := range []string{"mobel", "möbel", "sohne", "strasse", "STRAßE", "creme brulee", "draussen"} {
			require.Equal(t, []string{"cafe-chair"}, find(text), "%q", text)
		}
		for _, text := range []string{"北京", "京", "北", "お茶", "北京 tea"} {
			require.Equal(t, []string{"tea"}, find(text), "%q", text)
		}
	})

	t.Run("nothing typed is an operator or an error", func(t *testing.T) {
		everything := find("")
		require.Len(t, everything, len(garden))
		for _, text := range []string{
			"", " ", "\"", "'", "\"\"", "*", "&", "|", "!", "()", "(", ")", ":", "-", "<>", "\\", "--", ";", "%", "_", "{}", "^", "\x00", "\xff\xfe", "🪴", "\u202e",
		} {
			require.Equal(t, everything, find(text), "%q has no words, so it finds everything", text)
		}
		for _, text := range []string{
			`"clay" "pot"`, "clay & pot", "clay:* | pot", "clay AND", "+clay -pot", "(clay pot", "clay) pot", "title:clay^2 pot", "clay\x00pot", "clay'pot", "NEAR(clay pot)",
			"'; DROP TABLE documents; -- clay", "clay\\", "{title}: clay", "clay*pot*", "!clay", "clay <-> pot", "clay\xffpot", "%clay%", strings.Repeat("\"", 10_000) + "clay",
			strings.Repeat("clay ", 2_000), strings.Repeat("c", 10_000), strings.Repeat("é", 5_000), strings.Repeat("(", 10_000), "clay" + strings.Repeat("\u0301", 5_000),
			strings.Join(strings.Split(strings.Repeat("abcdefghij", 30), ""), " "), "NOT clay OR pot", "'a' <2> 'b':A", "\\'clay\\'",
		} {
			_, err := h.Service.Find(t.Context(), search.FindRequest{Text: text, Limit: 10})
			require.NoError(t, err, "%.60q", text)
			_, err = h.Service.Suggest(t.Context(), search.SuggestRequest{Text: text, Limit: 10})
			require.NoError(t, err, "%.60q", text)
		}
		require.Equal(t, []string{"clay-pot", "potting-soil"}, find(`"clay" & (pot:*)`))
		require.Equal(t, []string{"clay-pot", "clay-plate", "potting-soil"}, find(strings.Repeat("clay ", 2_000)))
	})

	t.Run("mistyped words", func(t *testing.T) {
		for text, want := range map[string][]string{
			"wattering": {"watering-can"}, "watreing": {"watering-can"}, "wateringg can": {"watering-can"}, "aterring": {"watering-can"},
			"chiar": {"cafe-chair"}, "chai": {"cafe-chair"}, "pottingg soli": {"potting-soil"}, "soal": {"potting-soil", "soap"},
		} {
			r := MustFind(t, h.Service, search.FindRequest{Text: text})
			got := Handles(r)
			slices.Sort(got)
			slices.Sort(want)
			require.Equal(t, want, got, "%q", text)
			if text != "chai" { // the beginning of a word is no mistake
				require.NotEmpty(t, r.Corrections, "%q", text)
			}
		}
		r := MustFind(t, h.Service, search.FindRequest{Text: "shrits pot"})
		require.Empty(t, r.Items, "the corrected words must all be there too")
		r = MustFind(t, h.Service, search.FindRequest{Text: "shrits"})
		require.Equal(t, []string{"book"}, Handles(r))
		require.Equal(t, []search.Correction{{Word: "shrits", Instead: []string{"shirts"}}}, r.Corrections)
		require.Equal(t, "<mark>Shirts</mark> and skirts", r.Items[0].Highlight.Title)
		require.Empty(t, MustFind(t, h.Service, search.FindRequest{Text: "xyzzyq"}).Corrections)
		require.Empty(t, find("cly"), "three letters are too few to guess from")
	})

	t.Run("filters and facets", func(t *testing.T) { exerciseFacets(t, h) })
	t.Run("what is shown", func(t *testing.T) { exerciseShown(t, h) })
	t.Run("orders and pages", func(t *testing.T) { exercisePages(t, h, s) })
	t.Run("events in any order", func(t *testing.T) { exerciseOrder(t, h, s) })
	t.Run("changes", func(t *testing.T) { exerciseChanges(t, h, s) })
	t.Run("suggestions", func(t *testing.T) { exerciseSuggestions(t, h, s) })
	t.Run("bad questions", func(t *testing.T) { exerciseRefusals(t, h.Service) })
}

func ptr[T any](v T) *T { return &v }

func exerciseFacets(t *testing.T, h Harness) {
	r := MustFind(t, h.Service, search.FindRequest{Text: "clay"})
	require.EqualValues(t, 3, r.Total)
	require.Equal(t, []search.Count{{Value: "Plates", Count: 1}, {Value: "Pots", Count: 1}, {Value: "Soil", Count: 1}}, r.Facets.Category)
	require.Equal(t, []search.Count{{Value: "Terra", Count: 2}, {Value: "Green Thumb", Count: 1}}, r.Facets.Vendor)
	require.Equal(t, []search.PriceCount{{From: 0, To: ptr(int64(1000)), Count: 2}, {From: 1000, To: ptr(int64(2000)), Count: 1}}, r.Facets.Price)

	// A facet counts what another of its values would find; the other filters hold.
	r = MustFind(t, h.Service, search.FindRequest{Text: "clay", Vendor: "Terra"})
	require.Equal(t, []string{"clay-pot", "clay-plate"}, Handles(r))
	require.EqualValues(t, 2, r.Total)
	require.Equal(t, []search.Count{{Value: "Terra", Count: 2}, {Value: "Green Thumb", Count: 1}}, r.Facets.Vendor)
	require.Equal(t, []search.Count{{Value: "Plates", Count: 1}, {Value: "Pots", Count: 1}}, r.Facets.Category)
	r = MustFind(t, h.Service, search.FindRequest{Text: "clay", Category: "Pots"})
	require.Equal(t, []string{"clay-pot"}, Handles(r))
	require.Len(t, r.Facets.Category, 3)
	require.Equal(t, []search.Count{{Value: "Terra", Count: 1}}, r.Facets.Vendor)

	r = MustFind(t, h.Service, search.FindRequest{Text: "clay", InStock: ptr(true)})
	require.Equal(t, []string{"clay-pot", "potting-soil"}, Handles(r))
	require.Equal(t, []string{"clay-plate"}, Handles(MustFind(t, h.Service, search.FindRequest{Text: "clay", InStock: ptr(false)})))
	r = MustFind(t, h.Service, search.FindRequest{MinPrice: ptr(int64(900)), MaxPrice: ptr(int64(1800)), Sort: search.Cheapest})
	require.Equal(t, []string{"clay-plate", "clay-pot", "tea"}, Handles(r), "both bounds are in")
	require.Len(t, r.Facets.Price, 4, "the price filter does not narrow its own facet: %v", r.Facets.Price)
	require.Equal(t, []string{"cafe-chair"}, Handles(MustFind(t, h.Service, search.FindRequest{MinPrice: ptr(int64(3001))})))
	require.Equal(t, []string{"soap"}, Handles(MustFind(t, h.Service, search.FindRequest{MaxPrice: ptr(int64(400))})))
	require.Empty(t, MustFind(t, h.Service, search.FindRequest{Vendor: "terra"}).Items, "a filter is the value as it is written")
	r = MustFind(t, h.Service, search.FindRequest{Text: "nothing at all"})
	require.Equal(t, search.Results{
		Items: []search.Item{}, Corrections: []search.Correction{},
		Facets: search.Facets{Category: []search.Count{}, Vendor: []search.Count{}, Price: []search.PriceCount{}},
	}, r)
	require.Equal(t, []string{"cafe-chair"}, Handles(MustFind(t, h.Service, search.FindRequest{Vendor: "Möbel & Söhne"})))
}

func exerciseShown(t *testing.T, h Harness) {
	r := MustFind(t, h.Service, search.FindRequest{Text: "clay pot"})
	require.Equal(t, search.Item{
		ProductID: ID("clay-pot"), Handle: "clay-pot", Title: "Clay Pot", Vendor: "Terra", Category: "Pots", Tags: []string{"garden", "brown"},
		Image: &search.Image{Src: "https://example.org/clay-pot.png", Alt: "Clay Pot"},
		Price: money.Of(1500, "USD"), PriceMost: money.Of(1500, "USD"), CompareAt: ptr(money.Of(2000, "USD")), InStock: true,
		Highlight: search.Highlight{
			Title:       "<mark>Clay</mark> <mark>Pot</mark>",
			Description: "A <mark>pot</mark> of red <mark>clay</mark> , made by hand &amp; fired twice.",
		},
	}, r.Items[0])
	r = MustFind(t, h.Service, search.FindRequest{Text: "mobel caf creme"})
	require.Equal(t, "<mark>Café</mark> chair", r.Items[0].Highlight.Title)
	require.Contains(t, r.Items[0].Highlight.Description, "<mark>crème</mark> brûlée")
	for _, text := range []string{"", "book", "x", "script", "amp", "lt"} {
		for _, item := range MustFind(t, h.Service, search.FindRequest{Text: text}).Items {
			plain := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(item.Highlight.Title + item.Highlight.Description)
			require.NotContains(t, plain, "<")
			require.NotContains(t, plain, ">")
		}
	}
}

func exerciseRefusals(t *testing.T, svc search.Service) {
	for name, req := range map[string]search.FindRequest{
		"no limit": {}, "limit": {Limit: 101}, "negative limit": {Limit: -1}, "sort": {Limit: 1, Sort: "best"},
		"price": {Limit: 1, MinPrice: ptr(int64(-1))}, "prices": {Limit: 1, MinPrice: ptr(int64(2)), MaxPrice: ptr(int64(1))},
		"category": {Limit: 1, Category: "a\x00"}, "vendor": {Limit: 1, Vendor: "\x00"},
	} {
		_, err := svc.Find(t.Context(), req)
		require.ErrorIs(t, err, search.Invalid, name)
	}
	first := MustFind(t, svc, search.FindRequest{Limit: 1, Sort: search.Cheapest})
	for name, req := range map[string]search.FindRequest{
		"garbage": {Limit: 1, After: "x"}, "another order": {Limit: 1, After: first.Next}, "long": {Limit: 1, After: strings.Repeat("a", 2000)},
	} {
		_, err := svc.Find(t.Context(), req)
		require.ErrorIs(t, err, fault.Malformed, name)
	}
	for _, limit := range []int{0, -1, 21} {
		_, err := svc.Suggest(t.Context(), search.SuggestRequest{Text: "a", Limit: limit})
		require.ErrorIs(t, err, search.Invalid)
	}
}

// exerciseOrder tells the same in every order of the owners: what is found in the
// end is the same, and nothing is found before it can be bought.
func exerciseOrder(t *testing.T, h Harness, s *Shelf) {
	for i, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		handle := Numbered("ordered", i)
		thing := Thing{Handle: handle, Title: "Ordered lamp " + handle, Vendor: "Lux", Category: "Lamps", Price: 5000, Stock: 2, Day: 20}
		events := []event.Event{s.Product(thing), s.Price(handle, 5000, 0), s.Stock(handle, 2)}
		told := map[int]bool{}
		for _, n := range order {
			require.NoError(t, h.Hear(events[n]))
			told[n] = true
			r := MustFind(t, h.Service, search.FindRequest{Text: "lamp " + handle})
			if !told[0] || !told[1] {
				require.Empty(t, r.Items, "%v after %d", order, n)
				require.Empty(t, MustSuggest(t, h.Service, "ordered lamp "+handle), "%v after %d", order, n)
				continue
			}
			require.Equal(t, []string{handle}, Handles(r), "%v after %d", order, n)
			require.Equal(t, told[2], r.Items[0].InStock, "%v after %d", order, n)
		}
	}
}

func exerciseChanges(t *testing.T, h Harness, s *Shelf) {
	svc := h.Service
	find := func(text string) []string { return Handles(MustFind(t, svc, search.FindRequest{Text: text})) }
	thing := Thing{Handle: "kite", Title: "Zebra kite", Vendor: "Windig", Category: "Kites", Stock: 1, Day: 30, Prices: map[string]int64{"kite--s": 1100, "kite--l": 2200}}
	draft := thing
	draft.Status = catalog.Draft
	s.MustPut(t, draft)
	require.Empty(t, find("zebra"), "a draft")
	require.NoError(t, h.Hear(s.Product(thing)))
	require.Equal(t, []string{"kite"}, find("zebra kite--l"))
	item := MustFind(t, svc, search.FindRequest{Text: "zebra"}).Items[0]
	require.Equal(t, []money.Money{money.Of(1100, "USD"), money.Of(2200, "USD")}, []money.Money{item.Price, item.PriceMost})

	require.NoError(t, h.Hear(s.Price("kite--s", 3300, 4400), s.Stock("kite--s", 0)))
	item = MustFind(t, svc, search.FindRequest{Text: "zebra"}).Items[0]
	require.Equal(t, []money.Money{money.Of(2200, "USD"), money.Of(3300, "USD")}, []money.Money{item.Price, item.PriceMost})
	require.Nil(t, item.CompareAt, "of the cheapest")
	require.True(t, item.InStock, "the other one is there")
	require.NoError(t, h.Hear(s.Stock("kite--l", 0)))
	require.False(t, MustFind(t, svc, search.FindRequest{Text: "zebra"}).Items[0].InStock)

	// It loses a variant to another product; the order of the two events is free.
	less := thing
	less.Title, less.Prices = "Giraffe kite", map[string]int64{"kite--s": 1}
	other := Thing{Handle: "drake", Title: "Giraffe drake", Prices: map[string]int64{"kite--l": 1}, Day: 31}
	lost, won := s.Product(less), s.Product(other)
	require.NoError(t, h.Hear(won, lost))
	require.Equal(t, []string{"drake", "kite"}, find("giraffe"))
	require.Empty(t, find("zebra"), "the old title is forgotten")
	require.Empty(t, MustSuggest(t, svc, "zebra"))
	require.EqualValues(t, 3300, MustFind(t, svc, search.FindRequest{Text: "giraffe kite"}).Items[0].Price.Amount)
	require.EqualValues(t, 2200, MustFind(t, svc, search.FindRequest{Text: "giraffe drake"}).Items[0].Price.Amount)

	less.Status, other.Status = catalog.Archived, catalog.Archived
	require.NoError(t, h.Hear(s.Product(less), s.Product(other)))
	require.Empty(t, find("giraffe"))
	require.Empty(t, find("giarffe"), "nothing is corrected to a word that is gone")
	require.Empty(t, MustFind(t, svc, search.FindRequest{Vendor: "Windig"}).Items)
	require.Empty(t, MustSuggest(t, svc, "windig"))
	require.NoError(t, h.Hear(s.Price("kite--s", 100, 0), s.Stock("kite--s", 5)))
	require.Empty(t, find("giraffe"), "a price does not bring an archived product back")
}
