package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// experiment is one thing that is measured beside its limit.
type experiment struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

// experiments are all of them, the quiet ones first: what a load leaves behind
// must not be measured with the next.
func experiments() []experiment {
	return []experiment{
		{"calls", measureCalls},
		{"start", measureStart},
		{"import", measureImport},
		{"read", measureRead},
		{"search", measureSearch},
		{"streams", measureStreams},
		{"events", measureEvents},
		{"broker", measureBroker},
		{"brokerevents", measureBrokerEvents},
		{"drain", measureDrain},
		{"checkout", measureCheckout},
	}
}

// bench is one run.
type bench struct {
	options
	dir      string // of this run, removed at its end
	postgres string // address of a server on which databases can be made; empty: none
	progress progress
	report   Report
}

// measure runs the experiments that were asked for. With an error there may be a
// report of the others.
func measure(ctx context.Context, o options, stderr io.Writer) (Report, error) {
	dir, err := os.MkdirTemp("", "banyan-bench.")
	if err != nil {
		return Report{}, fmt.Errorf("make a folder for the run: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{options: o, dir: dir, postgres: os.Getenv("BANYAN_TEST_POSTGRES_URL"), progress: progress{out: stderr}}
	defer b.progress.end()
	if b.postgres == "" {
		fmt.Fprintln(stderr, "bench: no PostgreSQL: set BANYAN_TEST_POSTGRES_URL, or eval \"$(.ci/servers start)\"; what needs it is left out")
	}
	if err := b.build(ctx); err != nil {
		return Report{}, err
	}
	b.report.Machine = machine(ctx, b)
	var failed error
	for _, e := range experiments() {
		if len(o.only) > 0 && !slices.Contains(o.only, e.name) {
			continue
		}
		b.progress.area(e.name)
		start := time.Now()
		if err := e.run(ctx, b); err != nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", e.name, err))
			b.report.Failed = append(b.report.Failed, e.name)
			continue // the others took minutes and are good for themselves
		}
		b.progress.say("took %s", time.Since(start).Round(time.Second))
	}
	if len(b.report.Rows) == 0 {
		failed = errors.Join(failed, errors.New("nothing could be measured"))
	}
	b.report.group()
	return b.report, failed
}

// build makes the binary as "make build" does.
func (b *bench) build(ctx context.Context) error {
	if b.binary != "" {
		found, err := filepath.Abs(b.binary)
		b.binary = found
		return err
	}
	b.progress.say("building the shop")
	b.binary = filepath.Join(b.dir, "app")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.binary, "github.com/banyan-tree/banyan/cmd/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the shop: %w\n%s", err, out)
	}
	return nil
}

// add keeps a row and tells it at once: a run takes minutes.
func (b *bench) add(rows ...Row) {
	for _, r := range rows {
		r.judge()
		b.report.Rows = append(b.report.Rows, r)
		b.progress.line("%s", r.text())
	}
}

// pick gives the number for a quick run, a usual one, or a full one.
func (b *bench) pick(quick, usual, full int) int {
	switch {
	case b.quick:
		return quick
	case b.full:
		return full
	}
	return usual
}
