package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// questions are asked of search; match is the same for the bare index of each
// database.
var questions = []struct{ what, q, sqlite, postgres string }{
	{"two words of a few products", "brass lantern 7", `"brass" * AND "lantern" * AND "7" *`, `'brass':* & 'lantern':* & '7':*`},
	{"a word of 1 in 10", "lantern", `"lantern" *`, `'lantern':*`},
	{"a word of every product", "handmade", `"handmade" *`, `'handmade':*`},
}

// measureSearch compares a page of search, with facets, total and highlights, with
// the bare query of the index that the database has for texts: the best 20 by the
// database's own rank, and nothing else.
func measureSearch(ctx context.Context, b *bench) error {
	sizes := []int{10_000, 100_000}
	if b.quick {
		sizes = []int{2000}
	}
	for _, products := range sizes {
		if err := b.searchOn(ctx, "SQLite", "", products); err != nil {
			return err
		}
		if b.postgres == "" {
			continue
		}
		address, drop, err := b.database(ctx)
		if err != nil {
			return err
		}
		err = b.searchOn(ctx, "PostgreSQL", address, products)
		drop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) searchOn(ctx context.Context, name, address string, products int) (err error) {
	csv, err := b.wordyCatalogue(products)
	if err != nil {
		return err
	}
	at, err := b.site(name, address, "BANYAN_RATE_LIMIT=off")
	if err != nil {
		return err
	}
	b.progress.say("%s, %s products are brought in", name, number(float64(products)))
	if _, err := at.app(ctx, "import", csv); err != nil {
		return err
	}
	start := time.Now()
	shop, err := at.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.stop()) }()
	if err := shop.indexed(ctx, products); err != nil {
		return err
	}
	in := fmt.Sprintf("%s, %s products, ", name, number(float64(products)))
	b.add(Row{Area: "search", What: in + "an empty index is filled from the log", Unit: "products/s", Ours: rate(products, time.Since(start))})
	bare, match, err := b.bareIndex(ctx, at, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	rounds, times := b.pick(1, 5, 9), b.pick(10, 20, 50)
	for _, question := range questions {
		text := question.sqlite
		if address != "" {
			text = question.postgres
		}
		var ours, limit figures
		for round := range 1 + rounds {
			b.progress.say("%s%s, round %d of %d", in, question.what, round, rounds)
			o, err := repeat(times, func() error { return shop.get(ctx, "/api/v1/search?q="+url.QueryEscape(question.q), nil) })
			if err != nil {
				return err
			}
			l, err := repeat(times, func() error { return drainRows(ctx, bare, match, text) })
			if err != nil {
				return err
			}
			if round > 0 {
				ours, limit = append(ours, o.median()), append(limit, l.median())
			}
		}
		b.add(Row{
			Area: "search", What: in + question.what + ", p50", Unit: "ms", Ours: ours.median(), Limit: limit.median(),
			Ratio: paired(ours, limit).median(), Is: "bare query of the index, best 20 by its own rank",
		})
	}
	for _, typed := range []string{"l", "lant", "brass lan", "lanetrn"} {
		took, err := repeat(times, func() error {
			return shop.get(ctx, "/api/v1/search/suggestions?q="+url.QueryEscape(typed), nil)
		})
		if err != nil {
			return err
		}
		b.add(Row{Area: "search", What: in + "suggestions for \"" + typed + "\", p50", Unit: "ms", Ours: took.median()})
	}
	return nil
}

// repeat gives how long each of some calls took, in milliseconds.
func repeat(times int, do func() error) (figures, error) {
	took := make([]time.Duration, 0, times)
	for range times {
		start := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return milliseconds(took), nil
}

// get reads an answer of the shop, into where it is to be kept.
func (p *shop) get(ctx context.Context, path string, into any) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.http+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// indexed waits until search has all products.
func (p *shop) indexed(ctx context.Context, products int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for {
		var found struct{ Total int }
		if err := p.get(ctx, "/api/v1/search?limit=1&in_stock=true", &found); err != nil {
			return err
		}
		if found.Total == products {
			return nil
		}
		p.b.progress.say("%s products are indexed", number(float64(found.Total)))
		select {
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d products came into the index: %w", found.Total, products, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// bareIndex opens what search keeps, and gives the query of its index.
func (b *bench) bareIndex(ctx context.Context, at site, address string) (*sql.DB, string, error) {
	if address == "" {
		db, err := openSQLite(ctx, filepath.Join(at.data, "search.db"))
		return db, `SELECT d.shown FROM (SELECT rowid AS id FROM documents_text WHERE documents_text MATCH ? ORDER BY rank LIMIT 20) AS t
			JOIN documents AS d ON d.doc_id = t.id`, err
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, "", err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "SET search_path = search")
	return db, `SELECT shown FROM documents, CAST($1 AS tsquery) AS q WHERE words @@ q ORDER BY ts_rank(words, q) DESC LIMIT 20`, err
}

func drainRows(ctx context.Context, db *sql.DB, query, arg string) (err error) {
	rows, err := db.QueryContext(ctx, query, arg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var text string
	found := 0
	for ; rows.Next(); found++ {
		if err := rows.Scan(&text); err != nil {
			return err
		}
	}
	if found == 0 {
		return fmt.Errorf("the bare index finds nothing for %s", arg)
	}
	return rows.Err()
}

// wordyCatalogue writes products that differ in their words as those of a shop do.
func (b *bench) wordyCatalogue(products int) (string, error) {
	name := filepath.Join(b.dir, fmt.Sprintf("wordy-%d.csv", products))
	f, err := os.Create(name) //nolint:gosec // in a folder of our own
	if err != nil {
		return "", err
	}
	materials := strings.Fields("brass oak walnut linen wool clay glass copper steel bamboo leather marble cotton paper silver slate")
	things := strings.Fields("lantern kettle chair basket blanket mirror vase shelf candle stool")
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Image Src,Image Position,Status")
	for n := 1; n <= products; n++ {
		material, thing := materials[n*7%len(materials)], things[n%len(things)]
		fmt.Fprintf(w, "wordy-%06d,%s %s no. %d,<p>A handmade %s of %s with a story. It goes well with %s and %s and lasts for %d years or longer; wipe it with a dry cloth.</p>,Workshop %d,%s,\"%s, home\",true,Size,One,WORDY-%06d,900,%d,%d.50,https://demo.banyan.example/img/%06d.svg,1,active\n",
			n, material, thing, n, thing, material, materials[n*3%len(materials)], things[n*11%len(things)], 5+n%40, n%50, thing, material, n, 1+n%9, 5+n%400, n)
	}
	return name, errors.Join(w.Flush(), f.Close())
}
