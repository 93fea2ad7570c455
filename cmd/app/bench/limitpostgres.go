package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/id"
)

// database makes an empty database on the server; drop removes it.
func (b *bench) database(ctx context.Context) (address string, drop func(), err error) {
	admin, err := sql.Open("pgx", b.postgres)
	if err != nil {
		return "", nil, err
	}
	name := "banyan_bench_" + strings.ReplaceAll(id.V7(), "-", "")
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil { //nolint:gosec // a name of our own making
		return "", nil, errors.Join(err, admin.Close())
	}
	u, err := url.Parse(b.postgres)
	if err != nil {
		return "", nil, errors.Join(err, admin.Close())
	}
	u.Path = "/" + name
	return u.String(), func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") //nolint:gosec // as above
		_ = admin.Close()
	}, nil
}

// pgbench is the limit by PostgreSQL's own load generator, whose client costs
// less than any driver.
type pgbench struct {
	*bareSQL // makes and counts the tables
	program  string
	address  string
	scripts  string // of orders with .sql behind it, of a module's part with .module.sql
}

// postgresLimit is pgbench, or database/sql over pgx where that is not installed.
func (b *bench) postgresLimit(ctx context.Context, address string) (limit, error) {
	db, err := openPostgres(ctx, address, 64)
	if err != nil {
		return nil, err
	}
	l := &bareSQL{what: "pgx, one statement per round trip", pools: map[string]*sql.DB{}, closers: []func() error{db.Close}}
	for module := range schema() {
		l.pools[module] = db
	}
	if err := l.prepare(ctx, true); err != nil {
		return nil, err
	}
	program := findPgbench()
	if program == "" {
		return l, nil
	}
	p := &pgbench{bareSQL: l, program: program, address: address, scripts: filepath.Join(b.dir, id.V7())}
	err = os.WriteFile(p.scripts+".sql", []byte(orderScript(transactions())), 0o600)
	for module := range schema() {
		err = errors.Join(err, os.WriteFile(p.scripts+"."+module+".sql", []byte(orderScript(transactionsOf(module))), 0o600))
	}
	return p, err
}

// findPgbench looks in the path and where packages put it; empty without one.
func findPgbench() string {
	if found, err := exec.LookPath("pgbench"); err == nil {
		return found
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// orderScript is one order, or a part of it, in pgbench's language.
func orderScript(of []transaction) string {
	third := skus / perOrder
	var b strings.Builder
	fmt.Fprintf(&b, "\\set o random(1, 9000000000000000000)\n\\set a random(1, %d)\n\\set b random(%d, %d)\n\\set c random(%d, %d)\n", third, third+1, 2*third, 2*third+1, 3*third)
	for i, t := range of {
		b.WriteString("BEGIN;\n")
		for _, s := range t.statements {
			text := s.sql
			for _, a := range s.args {
				text = strings.Replace(text, "?", pgbenchArgument(a, i), 1)
			}
			b.WriteString(text + ";\n")
		}
		b.WriteString("COMMIT;\n")
	}
	return b.String()
}

// pgbenchArgument is what stands for an argument. Nothing is asked of the server for it.
func pgbenchArgument(a argument, tx int) string {
	switch a {
	case orderID:
		return ":o::text"
	case eventID:
		return fmt.Sprintf(":o::text || '-%d'", tx)
	case payload:
		before, after, _ := strings.Cut(event1, "%s")
		return "'" + before + "' || :o::text || '" + after + "'"
	}
	return "'BENCH-' || lpad(:" + string('a'+rune(a-skuA)) + "::text, 5, '0')"
}

func (p *pgbench) is() string { return "pgbench, prepared, one statement per round trip" }

var (
	pgbenchDone = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	pgbenchRate = regexp.MustCompile(`tps = ([\d.]+)`)
	pgbenchBad  = regexp.MustCompile(`number of failed transactions: (\d+)`)
)

// run works for about so long; n is left to it.
func (p *pgbench) run(ctx context.Context, clients, _ int, about time.Duration) (wave, error) {
	return runPgbench(ctx, p.program, p.address, p.scripts+".sql", clients, about)
}

// part works for about so long, too.
func (p *pgbench) part(ctx context.Context, module string, clients, _ int, about time.Duration) (wave, error) {
	return runPgbench(ctx, p.program, p.address, p.scripts+"."+module+".sql", clients, about)
}

func runPgbench(ctx context.Context, program, address, script string, clients int, about time.Duration) (wave, error) {
	seconds := max(1, int(about.Round(time.Second)/time.Second))
	out, err := exec.CommandContext(ctx, program, "--no-vacuum", "--protocol=prepared", "--client="+strconv.Itoa(clients), //nolint:gosec // a program of the server
		"--jobs="+strconv.Itoa(min(clients, 2)), "--time="+strconv.Itoa(seconds), "--file="+script, address).CombinedOutput()
	done, tps, bad := pgbenchDone.FindSubmatch(out), pgbenchRate.FindSubmatch(out), pgbenchBad.FindSubmatch(out)
	if err != nil || done == nil || tps == nil || bad != nil && string(bad[1]) != "0" {
		return wave{}, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	n, err := strconv.Atoi(string(done[1]))
	if err != nil {
		return wave{}, err
	}
	persec, err := strconv.ParseFloat(string(tps[1]), 64)
	if err != nil {
		return wave{}, err
	}
	return wave{n: n, took: time.Duration(float64(n) / persec * float64(time.Second))}, nil
}
