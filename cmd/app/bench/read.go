package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// connections of the readers, each with one request at a time.
const connections = 64

// page is something that is read.
type page struct {
	what, path  string
	bar         *Bar
	body        []byte
	ours, limit figures
}

// measureRead compares pages of the shop, read with a token and counted by the
// rate limit, with a bare net/http handler of another process that answers the
// same bytes.
func measureRead(ctx context.Context, b *bench) error {
	if err := b.readOn(ctx, "SQLite", ""); err != nil || b.postgres == "" {
		return err
	}
	address, drop, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	return b.readOn(ctx, "PostgreSQL", address)
}

func (b *bench) readOn(ctx context.Context, name, address string) (err error) {
	// As many readers as the rate limit needs to let all of them through.
	all, err := b.stockedShop(ctx, name, address, b.pick(256, 512, 512), "BANYAN_RATE_LIMIT=on", "BANYAN_HTTP_TRUSTED_PROXIES=127.0.0.0/8")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.shop.stop()) }()
	pages := []*page{
		// The rates are computed: this is what token, limit, checks and the call of a module cost.
		{what: "shipping rates, no table read", path: "/api/v1/shipping/rates?country=US&weight_grams=1200", bar: ratioAtLeast(0.8)},
		{what: "one product", path: "/api/v1/products/bench-00042"},
		{what: "20 products", path: "/api/v1/products?limit=20"},
	}
	if err := all.fetchPages(ctx, pages); err != nil {
		return err
	}
	limit, stop, err := b.serveBare(ctx, pages)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	var tokens []string
	for _, c := range all.list {
		tokens = append(tokens, c.bearer)
	}
	rounds, span := b.pick(1, 3, 9), time.Duration(b.pick(500, 1000, 2000))*time.Millisecond
	for round := range 1 + rounds {
		for i, p := range pages {
			b.progress.say("%s, round %d of %d, %s", name, round, rounds, p.what)
			ours, err := hammer(ctx, strings.TrimPrefix(all.shop.http, "http://"), p.path, tokens, len(p.body), span)
			if err != nil {
				return err
			}
			bare, err := hammer(ctx, limit, fmt.Sprintf("/%d", i), tokens, len(p.body), span)
			if err != nil {
				return err
			}
			if round > 0 {
				p.ours, p.limit = append(p.ours, ours), append(p.limit, bare)
			}
		}
	}
	for _, p := range pages {
		b.add(Row{
			Area: "read", What: fmt.Sprintf("%s, %s (%s bytes)", name, p.what, number(float64(len(p.body)))), Unit: "req/s",
			Ours: p.ours.median(), Limit: p.limit.median(), Ratio: paired(p.ours, p.limit).median(),
			Is: "bare net/http handler, same bytes", Bar: p.bar,
		})
	}
	return nil
}

// fetchPages reads each page once, so that the limit can answer the same.
func (a *buyers) fetchPages(ctx context.Context, pages []*page) error {
	for _, p := range pages {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.shop.http+p.path, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		p.body, err = io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s: %s", p.path, res.Status, p.body)
		}
	}
	return nil
}

// serveBare starts this program again as the limit and gives its address.
func (b *bench) serveBare(ctx context.Context, pages []*page) (address string, stop func() error, err error) {
	args := []string{bareCommand}
	for i, p := range pages {
		file := filepath.Join(b.dir, fmt.Sprintf("page-%d", i))
		if err := os.WriteFile(file, p.body, 0o600); err != nil {
			return "", nil, err
		}
		args = append(args, file)
	}
	return startBare(ctx, args)
}
