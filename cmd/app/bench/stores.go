package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// storePart is what one module does of an order's four transactions. It is a
// benchmark beside the module's rules, since nobody else may use its store.
type storePart struct{ module, benchmark string }

func storeParts() []storePart {
	return []storePart{
		{"orders", "BenchmarkPlaceAndConfirm"},
		{"inventory", "BenchmarkHold"},
		{"payments", "BenchmarkAuthorised"},
	}
}

// storeClients work at a time, on both sides.
const storeClients = 16

// measureStores compares the four transactions through the stores of the modules,
// with the outbox and nothing else of the shop, with the limit; on SQLite also with
// the very statements that they send, in bare SQL. A module's part is done by each in
// turn; the time of an order is the sum of its parts.
func (b *bench) measureStores(ctx context.Context) error {
	if err := b.buildStores(ctx); err != nil {
		return err
	}
	data, err := os.MkdirTemp(b.dir, "stores.")
	if err != nil {
		return err
	}
	if err := b.storesOn(ctx, "SQLite", data, b.sqliteLimit); err != nil {
		return err
	}
	if b.postgres == "" {
		return nil
	}
	address, drop, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	bare, dropBare, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer dropBare()
	return b.storesOn(ctx, "PostgreSQL", address, func(ctx context.Context) (limit, error) { return b.postgresLimit(ctx, bare) })
}

func (p storePart) program(b *bench) string { return filepath.Join(b.dir, p.module+".test") }

// buildStores makes a program of each module's benchmark.
func (b *bench) buildStores(ctx context.Context) error {
	for _, p := range storeParts() {
		b.progress.say("building the measure of the store of %s", p.module)
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", p.program(b), "github.com/banyan-tree/banyan/modules/"+p.module+"/internal/core") //nolint:gosec // a module of ours
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build the measure of the store of %s: %w\n%s", p.module, err, out)
		}
	}
	return nil
}

// side is one of those that are compared: how many orders a second each module's part
// alone lets through, round by round.
type side map[string]figures

func (s side) add(p storePart, w wave) { s[p.module] = append(s[p.module], rate(w.n, w.took)) }

// whole gives the orders a second whose time is the sum of the parts.
func (s side) whole() figures {
	var all figures
	for round := range s[storeParts()[0].module] {
		var seconds float64
		for _, p := range storeParts() {
			seconds += 1 / s[p.module][round]
		}
		all = append(all, 1/seconds)
	}
	return all
}

func (b *bench) storesOn(ctx context.Context, name, database string, bare func(context.Context) (limit, error)) (err error) {
	l, err := bare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	span, rounds := time.Duration(b.pick(300, 1000, 2000))*time.Millisecond, b.pick(1, 3, 9)
	ours, limited, same, done := side{}, side{}, side{}, map[string]int64{}
	for round := range 1 + rounds {
		if round == 1 { // the one before has warmed all sides up, and does not count
			ours, limited, same = side{}, side{}, side{}
		}
		for _, p := range storeParts() {
			b.progress.say("%s, store of %s, round %d of %d", name, p.module, round, rounds)
			w, err := p.run(ctx, b, p.benchmark, database, span)
			if err != nil {
				return err
			}
			lw, err := l.part(ctx, p.module, storeClients, w.n, span)
			if err != nil {
				return err
			}
			done[p.module] += int64(lw.n)
			ours.add(p, w)
			limited.add(p, lw)
			if name != "SQLite" {
				continue
			}
			if w, err = p.run(ctx, b, p.benchmark+"Bare", database, span); err != nil {
				return err
			}
			same.add(p, w)
		}
	}
	b.storeRows(name, l.is(), ours, limited, same)
	t, err := l.count(ctx)
	return errors.Join(err, t.checkParts(done))
}

func (b *bench) storeRows(name, is string, ours, limited, same side) {
	row := func(what, is string, ours, limit figures, bar *Bar) {
		b.add(Row{
			Area: "checkout", What: fmt.Sprintf("%s, %d clients, %s", name, storeClients, what), Unit: "orders/s",
			Ours: ours.median(), Limit: limit.median(), Ratio: paired(ours, limit).median(), Is: is, Bar: bar,
		})
	}
	const four = "the four transactions through our stores alone"
	if len(same) > 0 {
		row(four, "the same statements in bare SQL, same driver and pragmas", ours.whole(), same.whole(), ratioAtLeast(0.85))
		row(four+", beside the least", is, ours.whole(), limited.whole(), nil)
	} else {
		row(four, is, ours.whole(), limited.whole(), ratioAtLeast(0.8))
	}
	for _, p := range storeParts() {
		row("of these, those of "+p.module, is, ours[p.module], limited[p.module], nil)
	}
}

// benchmarked is the line of a benchmark: how often it was done, and the time for one.
var benchmarked = regexp.MustCompile(`(?m)^Benchmark\S+\s+(\d+)\s+([\d.]+) ns/op`)

// run lets the module do its part for about so long, in a process of its own. It
// counts its rows itself, and fails where they are not those of its work.
func (p storePart) run(ctx context.Context, b *bench, benchmark, database string, about time.Duration) (wave, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.program(b), "-test.run=^$", "-test.bench=^"+benchmark+"$", "-test.benchtime="+about.String()) //nolint:gosec // built for this run
	cmd.Dir = b.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BANYAN_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "BANYAN_BENCH_DATABASE="+database, "BANYAN_BENCH_CLIENTS="+strconv.Itoa(storeClients))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return wave{}, fmt.Errorf("measure the store of %s: %w\n%s", p.module, err, out)
	}
	return readBenchmark(string(out))
}

// readBenchmark reads what a benchmark printed.
func readBenchmark(out string) (wave, error) {
	found := benchmarked.FindStringSubmatch(out)
	if found == nil {
		return wave{}, fmt.Errorf("the benchmark printed no result:\n%s", out)
	}
	n, err := strconv.Atoi(found[1])
	each, err2 := strconv.ParseFloat(found[2], 64)
	return wave{n: n, took: time.Duration(float64(n) * each)}, errors.Join(err, err2)
}
