package core

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/search"
)

// Term is a word that must be in a document, at the beginning of one of its
// words; any of several.
type Term []string

// Query is a question in the form that stores answer.
type Query struct {
	Terms    []Term
	Phrase   string // " clay po": what a title that has the words side by side contains; empty for one word
	Category string
	Vendor   string
	Least    int64 // of the price
	Most     int64
	Stock    [2]int // bounds of in stock: 0 or 1
	Sort     string
	After    Position
	Limit    int
	Bounds   []int64 // of the price ranges, the first is 0
}

// Position is the last item of the page before, by its sort keys.
type Position struct {
	Score     int64
	Price     int64
	CreatedAt time.Time
	ProductID string
}

// Hit is a document in a list.
type Hit struct {
	Position
	Content Content
	Terms   Terms
}

// Found is what a store answers.
type Found struct {
	Hits     []Hit
	Total    int64
	Category []search.Count
	Vendor   []search.Count
	Price    map[int]int64 // by index of Query.Bounds
}

// What a place in a document is worth, per word. The rest of a document is worth 1.
const (
	TitleWord  = 16
	TitleBegin = 12 // of a word
	LabelWord  = 8
	LabelBegin = 6
	Elsewhere  = 1
	InARow     = 20 // all words side by side in the title
)

// farthest is after the last instant that any database or cursor holds here.
var farthest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// Find implements search.Service.
func (s *Service) Find(ctx context.Context, req search.FindRequest) (search.Results, error) {
	q, err := s.query(req)
	if err != nil {
		return search.Results{}, err
	}
	q.Limit++ // one more, to know whether there is a next page
	found, err := s.store.Find(ctx, q)
	if err != nil {
		return search.Results{}, fmt.Errorf("search: %w", err)
	}
	corrections := []search.Correction{}
	if found.Total == 0 && len(q.Terms) > 0 {
		terms, replaced, err := s.correct(ctx, q.Terms)
		if err != nil {
			return search.Results{}, err
		}
		if len(replaced) > 0 {
			q.Terms, q.Phrase, corrections = terms, "", replaced
			if found, err = s.store.Find(ctx, q); err != nil {
				return search.Results{}, fmt.Errorf("search: %w", err)
			}
		}
	}
	return s.results(q, found, corrections)
}

func (s *Service) results(q Query, found Found, corrections []search.Correction) (search.Results, error) {
	results := search.Results{
		Items: []search.Item{}, Total: found.Total, Corrections: corrections,
		Facets: search.Facets{Category: found.Category, Vendor: found.Vendor, Price: []search.PriceCount{}},
	}
	for i, from := range q.Bounds {
		if n := found.Price[i]; n > 0 {
			r := search.PriceCount{From: from, Count: n}
			if i+1 < len(q.Bounds) {
				r.To = &q.Bounds[i+1]
			}
			results.Facets.Price = append(results.Facets.Price, r)
		}
	}
	if len(found.Hits) == q.Limit { // one more than was asked for
		found.Hits = found.Hits[:q.Limit-1]
		next, err := encode(q.Sort, found.Hits[len(found.Hits)-1].Position)
		if err != nil {
			return search.Results{}, fmt.Errorf("search: %w", err)
		}
		results.Next = next
	}
	for _, h := range found.Hits {
		results.Items = append(results.Items, item(h, q.Terms))
	}
	return results, nil
}

func item(h Hit, terms []Term) search.Item {
	c, t := h.Content, h.Terms
	i := search.Item{
		ProductID: h.ProductID, Handle: c.Handle, Title: c.Title, Vendor: c.Vendor, Category: c.Category, Tags: c.Tags,
		Price: money.Of(t.Price, t.Currency), PriceMost: money.Of(t.Most, t.Currency), InStock: t.InStock,
		Highlight: search.Highlight{Title: mark(c.Title, terms), Description: snippet(c.Description, terms)},
	}
	if c.ImageSrc != "" {
		i.Image = &search.Image{Src: c.ImageSrc, Alt: c.ImageAlt}
	}
	if t.CompareAt != nil {
		was := money.Of(*t.CompareAt, t.Currency)
		i.CompareAt = &was
	}
	return i
}

// query checks a request.
func (s *Service) query(req search.FindRequest) (Query, error) {
	q := Query{
		Category: req.Category, Vendor: req.Vendor, Most: math.MaxInt64, Stock: [2]int{0, 1}, Sort: req.Sort, Limit: req.Limit,
		Bounds: ranges(s.currency),
	}
	q.Terms, q.Phrase = parse(req.Text)
	if q.Sort == "" {
		q.Sort = search.Relevance
	}
	bad := search.Invalid.Errorf("the question is not valid")
	if !slices.Contains([]string{search.Relevance, search.Cheapest, search.Dearest, search.Newest}, q.Sort) {
		bad.WithField("query/sort", "must be one of: relevance, price, -price, newest")
	}
	if q.Limit < 1 || q.Limit > search.MaxPage {
		bad.WithField("query/limit", fmt.Sprintf("must be 1 to %d", search.MaxPage))
	}
	if req.MinPrice != nil {
		q.Least = *req.MinPrice
	}
	if req.MaxPrice != nil {
		q.Most = *req.MaxPrice
	}
	if q.Least < 0 || q.Most < 0 {
		bad.WithField("query/min_price", "prices are 0 or more")
	} else if q.Least > q.Most {
		bad.WithField("query/max_price", "must not be below min_price")
	}
	if !text(q.Category) || !text(q.Vendor) {
		bad.WithField("query/category", "category and vendor must be UTF-8 text")
	}
	if len(bad.Fields) > 0 {
		return q, bad
	}
	if req.InStock != nil {
		q.Stock = [2]int{number(*req.InStock), number(*req.InStock)}
	}
	var err error
	q.After, err = decode(q.Sort, req.After)
	return q, err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// text tells whether a database takes s.
func text(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// parse makes terms of what somebody typed. Whatever that is, it gives terms:
// quotes, brackets and operators are no words, and so are nothing.
func parse(typed string) ([]Term, string) {
	var words []string
	for _, w := range textsOf(math.MaxInt, head(typed)) {
		if !slices.Contains(words, w) {
			if words = append(words, w); len(words) == search.MaxWords {
				break
			}
		}
	}
	terms := make([]Term, len(words))
	for i, w := range words {
		terms[i] = Term{w}
	}
	if len(words) < 2 {
		return terms, ""
	}
	return terms, " " + strings.Join(words, " ")
}

// head bounds the work of a question: further text has no words that count.
func head(s string) string {
	const most = 4096
	if len(s) > most {
		s = s[:most]
	}
	return s
}

// ranges are the bounds of the price facet: 0, 10, 20, 50, 100 … 5,000 of the
// currency's major unit, in minor units.
func ranges(currency string) []int64 {
	unit := int64(1)
	for range money.MinorDigits(currency) {
		unit *= 10
	}
	bounds := []int64{0}
	for _, decade := range []int64{10, 100, 1000} {
		for _, step := range []int64{1, 2, 5} {
			bounds = append(bounds, step*decade*unit)
		}
	}
	return bounds
}

// place is a Position as a cursor holds it: only the keys of its order.
type place struct {
	Sort  string `json:"s"`
	Score int64  `json:"n,omitempty"`
	Price int64  `json:"p,omitempty"`
	At    int64  `json:"at,omitempty"` // unix microseconds
	ID    string `json:"id"`
}

func encode(sort string, p Position) (string, error) {
	c := place{Sort: sort, ID: p.ProductID}
	switch sort {
	case search.Relevance:
		c.Score, c.At = p.Score, p.CreatedAt.UnixMicro()
	case search.Newest:
		c.At = p.CreatedAt.UnixMicro()
	default:
		c.Price = p.Price
	}
	return cursor.Encode(c)
}

// decode gives where a page begins; without a cursor that is before everything.
func decode(sort, after string) (Position, error) {
	if after == "" {
		p := Position{Score: math.MaxInt64, Price: math.MaxInt64, CreatedAt: farthest}
		if sort == search.Cheapest {
			p.Price = -1
		}
		return p, nil
	}
	c, err := cursor.Decode[place](after)
	if err != nil {
		return Position{}, err
	}
	if c.Sort != sort || c.ID == "" || !text(c.ID) || c.At < 0 || c.At > farthest.UnixMicro() {
		return Position{}, cursor.Foreign()
	}
	return Position{Score: c.Score, Price: c.Price, CreatedAt: time.UnixMicro(c.At).UTC(), ProductID: c.ID}, nil
}
