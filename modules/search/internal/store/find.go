package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/internal/core"
)

// mostValues is how many values of a facet are told.
const mostValues = 50

const everything = `documents AS d WHERE d.generation = (SELECT generation FROM generations WHERE state = 'live')`

// source names documents of the live generation as d: those that match, by an
// argument, or all.
func (sqlite) source(match bool) string {
	if !match {
		return everything
	}
	return `documents_text AS t CROSS JOIN documents AS d ON d.doc_id = t.rowid
		WHERE t.documents_text MATCH ? AND d.generation = (SELECT generation FROM generations WHERE state = 'live')`
}

func (postgres) source(match bool) string {
	if !match {
		return everything
	}
	return everything + ` AND d.words @@ CAST(? AS tsquery)`
}

// place is the function that tells where a text stands in another.
func (sqlite) place() string   { return `instr` }
func (postgres) place() string { return `strpos` }

// score gives SQL for what a document is worth for each term and for all in a row.
// It is counted here and not by the databases, whose own ranks differ.
func score(place string, terms []core.Term, phrase string) (string, []any) {
	var text strings.Builder
	var args []any
	for _, t := range terms {
		text.WriteString(`CASE`)
		for _, worth := range []struct {
			key, end string
			points   int
		}{
			{`d.title_key`, " ", core.TitleWord}, {`d.title_key`, "", core.TitleBegin},
			{`d.label_key`, " ", core.LabelWord}, {`d.label_key`, "", core.LabelBegin},
		} {
			within, texts := contains(place, worth.key, t, worth.end)
			text.WriteString(` WHEN ` + within + ` THEN ` + strconv.Itoa(worth.points))
			args = append(args, texts...)
		}
		text.WriteString(` ELSE ` + strconv.Itoa(core.Elsewhere) + ` END + `)
	}
	if phrase != "" {
		text.WriteString(`CASE WHEN ` + place + `(d.title_key, ?) > 0 THEN ` + strconv.Itoa(core.InARow) + ` ELSE 0 END + `)
		args = append(args, phrase)
	}
	text.WriteString(`0`)
	return text.String(), args
}

// contains gives SQL for whether a key has any beginning of a term; with end " "
// as a whole word.
func contains(place, key string, t core.Term, end string) (string, []any) {
	args := make([]any, len(t))
	for i, w := range t {
		args[i] = " " + w + end
	}
	return `(` + strings.TrimSuffix(strings.Repeat(place+`(`+key+`, ?) > 0 OR `, len(t)), ` OR `) + `)`, args
}

// orders are how hits are sorted, and what comes after a position.
var orders = map[string]struct{ by, after string }{
	search.Relevance: {`score DESC, created_at DESC, product_id DESC`, `(score, created_at, product_id) < (?, ?, ?)`},
	search.Newest:    {`created_at DESC, product_id DESC`, `(created_at, product_id) < (?, ?)`},
	search.Cheapest:  {`price, product_id`, `(price, product_id) > (?, ?)`},
	search.Dearest:   {`price DESC, product_id DESC`, `(price, product_id) < (?, ?)`},
}

func position(sort string, p core.Position) []any {
	switch sort {
	case search.Relevance:
		return []any{p.Score, database.At(p.CreatedAt), p.ProductID}
	case search.Newest:
		return []any{database.At(p.CreatedAt), p.ProductID}
	}
	return []any{p.Price, p.ProductID}
}

// foundRow is a line of any part of the answer.
type foundRow struct {
	Kind      string
	Value     string
	N         int64
	Score     int64
	Price     int64
	PriceMost int64
	CompareAt *int64
	Currency  string
	InStock   int
	CreatedAt database.Time
	ProductID string
}

// Find implements core.Index: one statement, so that the page, the facets and the
// total are of one instant and one generation.
func (s *Store) Find(ctx context.Context, q core.Query) (core.Found, error) {
	points, args := score(s.place(), q.Terms, q.Phrase)
	args = append(args, q.Category, q.Category, q.Vendor, q.Vendor, q.Least, q.Most)
	if len(q.Terms) > 0 {
		args = append(args, s.match(q.Terms))
	}
	args = append(args, q.Stock[0], q.Stock[1])
	args = append(args, position(q.Sort, q.After)...)
	args = append(args, q.Limit, mostValues, mostValues)
	for i, bound := range q.Bounds[1:] {
		args = append(args, bound, i)
	}
	args = append(args, len(q.Bounds)-1)
	text := `WITH hits AS MATERIALIZED (
			SELECT d.doc_id, d.product_id, d.category, d.vendor, d.price, d.created_at,
				CAST(2 * (` + points + `) + d.in_stock AS bigint) AS score,
				CAST(? AS text) = '' OR d.category = ? AS in_category,
				CAST(? AS text) = '' OR d.vendor = ? AS in_vendor,
				d.price BETWEEN ? AND ? AS in_price
			FROM ` + s.source(len(q.Terms) > 0) + ` AND d.in_stock BETWEEN ? AND ?
		), page AS (
			SELECT * FROM hits WHERE in_category AND in_vendor AND in_price AND ` + orders[q.Sort].after + `
			ORDER BY ` + orders[q.Sort].by + ` LIMIT ?
		)
		SELECT 'hit' AS kind, d.shown AS value, 0 AS n, p.score, d.price, d.price_most, d.compare_at, d.currency, d.in_stock, d.created_at, d.product_id
			FROM page AS p JOIN documents AS d ON d.doc_id = p.doc_id
		UNION ALL SELECT 'total', '', count(*), 0, 0, 0, 0, '', 0, MIN(created_at), '' FROM hits WHERE in_category AND in_vendor AND in_price
		UNION ALL SELECT * FROM (SELECT 'category' AS kind, category AS value, count(*) AS n, 0 AS score, 0 AS price, 0 AS price_most, 0 AS compare_at,
			'' AS currency, 0 AS in_stock, MIN(created_at), '' AS product_id FROM hits WHERE in_vendor AND in_price AND category <> ''
			GROUP BY category ORDER BY count(*) DESC, category LIMIT ?) AS categories
		UNION ALL SELECT * FROM (SELECT 'vendor' AS kind, vendor AS value, count(*) AS n, 0 AS score, 0 AS price, 0 AS price_most, 0 AS compare_at,
			'' AS currency, 0 AS in_stock, MIN(created_at), '' AS product_id FROM hits WHERE in_category AND in_price AND vendor <> ''
			GROUP BY vendor ORDER BY count(*) DESC, vendor LIMIT ?) AS vendors
		UNION ALL SELECT 'price', '', count(*), 0, CASE` + strings.Repeat(` WHEN price < ? THEN CAST(? AS bigint)`, len(q.Bounds)-1) + `
			ELSE CAST(? AS bigint) END, 0, 0, '', 0, MIN(created_at), '' FROM hits WHERE in_category AND in_vendor GROUP BY 5`
	var rows []foundRow
	if err := s.Conn(ctx).Raw(text, args...).Scan(&rows).Error; err != nil {
		return core.Found{}, err
	}
	return found(q, rows)
}

func found(q core.Query, rows []foundRow) (core.Found, error) {
	f := core.Found{Category: []search.Count{}, Vendor: []search.Count{}, Price: map[int]int64{}}
	for _, r := range rows {
		switch r.Kind {
		case "hit":
			h, err := hit(r)
			if err != nil {
				return f, err
			}
			f.Hits = append(f.Hits, h)
		case "total":
			f.Total = r.N
		case search.OfCategory:
			f.Category = append(f.Category, search.Count{Value: r.Value, Count: r.N})
		case search.OfVendor:
			f.Vendor = append(f.Vendor, search.Count{Value: r.Value, Count: r.N})
		case "price":
			f.Price[int(r.Price)] = r.N
		}
	}
	// The parts of a union come in any order.
	slices.SortFunc(f.Hits, func(a, b core.Hit) int { return compare(q.Sort, a.Position, b.Position) })
	slices.SortFunc(f.Category, mostFirst)
	slices.SortFunc(f.Vendor, mostFirst)
	return f, nil
}

func hit(r foundRow) (core.Hit, error) {
	h := core.Hit{
		Position: core.Position{Score: r.Score, Price: r.Price, CreatedAt: r.CreatedAt.Time, ProductID: r.ProductID},
		Terms:    core.Terms{Price: r.Price, Most: r.PriceMost, CompareAt: r.CompareAt, Currency: r.Currency, InStock: r.InStock == 1},
	}
	if err := json.Unmarshal([]byte(r.Value), &h.Content); err != nil {
		return h, fmt.Errorf("read document %s: %w", r.ProductID, err)
	}
	return h, nil
}

// Documents implements core.Copies.
func (s *Store) Documents(ctx context.Context, after string, limit int) ([]core.Hit, error) {
	return s.copies(s.Conn(ctx).Where("product_id > ?", after).Limit(limit))
}

// DocumentsOf implements core.Copies.
func (s *Store) DocumentsOf(ctx context.Context, products []string) ([]core.Hit, error) {
	return s.copies(s.Conn(ctx).Where("product_id IN ?", products))
}

func (s *Store) copies(conn *gorm.DB) ([]core.Hit, error) {
	var rows []documentRow
	err := conn.Where("generation = (SELECT generation FROM generations WHERE state = ?)", live).Order("product_id").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	hits := make([]core.Hit, len(rows))
	for i, r := range rows {
		hits[i], err = hit(foundRow{
			ProductID: r.ProductID, Value: r.Shown, Price: r.Price, PriceMost: r.PriceMost, CompareAt: r.CompareAt, Currency: r.Currency,
			InStock: r.InStock, CreatedAt: r.CreatedAt,
		})
		if err != nil {
			return nil, err
		}
	}
	return hits, nil
}

// titleRow is a document in a list of titles.
type titleRow struct {
	ProductID string
	Shown     string
}

func hitsOf(rows []titleRow) ([]core.Hit, error) {
	hits := make([]core.Hit, len(rows))
	for i, r := range rows {
		h, err := hit(foundRow{ProductID: r.ProductID, Value: r.Shown})
		if err != nil {
			return nil, err
		}
		hits[i] = h
	}
	return hits, nil
}

// after is a text after all that begin with another one.
func after(beginning string) string { return beginning + "\U0010FFFF" }

// Titles implements core.Index.
func (s *Store) Titles(ctx context.Context, beginning string, limit int) ([]core.Hit, error) {
	var rows []titleRow
	err := s.Conn(ctx).Raw(`SELECT product_id, shown FROM documents
		WHERE generation = (SELECT generation FROM generations WHERE state = 'live') AND title_key >= ? AND title_key < ?
		ORDER BY title_key, product_id LIMIT ?`, beginning, after(beginning), limit).Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	return hitsOf(rows)
}

// TitleHits implements core.Index.
func (s *Store) TitleHits(ctx context.Context, terms []core.Term, limit int) ([]core.Hit, error) {
	points, args := score(s.place(), terms, "")
	args = append(args, s.matchTitle(terms))
	titles := ``
	for _, t := range terms {
		within, texts := contains(s.place(), `d.title_key`, t, "")
		titles += ` AND ` + within
		args = append(args, texts...)
	}
	text := `SELECT d.product_id, d.shown, ` + points + ` AS score FROM ` + s.source(true) + titles + ` ORDER BY score DESC, d.title_key, d.product_id LIMIT ?`
	var rows []titleRow
	if err := s.Conn(ctx).Raw(text, append(args, limit)...).Scan(&rows).Error; err != nil {
		return nil, err
	}
	return hitsOf(rows)
}

// Known implements core.Index.
func (s *Store) Known(ctx context.Context, word string) (bool, error) {
	var there bool
	text := `SELECT EXISTS (SELECT 1 FROM ` + s.source(true) + `)`
	err := s.Conn(ctx).Raw(text, s.match([]core.Term{{word}})).Scan(&there).Error
	return there, err
}

// mostNearby bounds the words that are held against a mistyped one.
const mostNearby = 20_000

// Nearby implements core.Index.
func (s *Store) Nearby(ctx context.Context, n core.Near) ([]string, error) {
	var words []string
	err := s.Conn(ctx).Raw(`SELECT word FROM words
			WHERE generation = (SELECT generation FROM generations WHERE state = 'live') AND word >= ? AND word < ? AND letters BETWEEN ? AND ?
		UNION SELECT word FROM words
			WHERE generation = (SELECT generation FROM generations WHERE state = 'live') AND mirrored >= ? AND mirrored < ? AND letters BETWEEN ? AND ?
		LIMIT ?`,
		n.Beginning, after(n.Beginning), n.Least, n.Most, n.End, after(n.End), n.Least, n.Most, mostNearby).Scan(&words).Error
	return words, err
}

// Labels implements core.Index.
func (s *Store) Labels(ctx context.Context, beginning string, limit int) ([]core.Label, error) {
	var rows []labelRow
	err := s.Conn(ctx).Raw(`SELECT DISTINCT l.kind, l.value FROM labels AS l JOIN generations AS g ON g.generation = l.generation AND g.state = 'live'
		WHERE l.begins >= ? AND l.begins < ? AND (
			l.kind = 'category' AND EXISTS (SELECT 1 FROM documents AS d WHERE d.generation = l.generation AND d.category = l.value) OR
			l.kind = 'vendor' AND EXISTS (SELECT 1 FROM documents AS d WHERE d.generation = l.generation AND d.vendor = l.value))
		ORDER BY l.kind, l.value LIMIT ?`, beginning, after(beginning), limit).Scan(&rows).Error
	labels := make([]core.Label, len(rows))
	for i, r := range rows {
		labels[i] = core.Label{Kind: r.Kind, Value: r.Value}
	}
	return labels, err
}

// compare orders positions as the statement does.
func compare(sort string, a, b core.Position) int {
	switch sort {
	case search.Relevance:
		return cmp.Or(cmp.Compare(b.Score, a.Score), b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ProductID, a.ProductID))
	case search.Newest:
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ProductID, a.ProductID))
	case search.Cheapest:
		return cmp.Or(cmp.Compare(a.Price, b.Price), strings.Compare(a.ProductID, b.ProductID))
	}
	return cmp.Or(cmp.Compare(b.Price, a.Price), strings.Compare(b.ProductID, a.ProductID))
}

func mostFirst(a, b search.Count) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
}
