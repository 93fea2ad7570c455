package main

import (
	"context"
	"errors"
	"os"
	"time"
)

// measureStart measures from the start of the process until the shop says that
// it is open, what it holds in memory then, and how large the binary is.
func measureStart(ctx context.Context, b *bench) error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.add(Row{Area: "start", What: "binary", Unit: "MB", Ours: float64(info.Size()) / 1e6, Bar: oursAtMost(60)})
	if err := b.startOn(ctx, "SQLite"); err != nil || b.postgres == "" {
		return err
	}
	return b.startOn(ctx, "PostgreSQL")
}

func (b *bench) startOn(ctx context.Context, name string) error {
	var fresh, existing, newRest, rest figures
	for round := range b.pick(1, 5, 9) {
		b.progress.say("%s, round %d", name, round+1)
		address, drop := "", func() {}
		if name == "PostgreSQL" {
			var err error
			if address, drop, err = b.database(ctx); err != nil {
				return err
			}
		}
		at, err := b.site(name, address)
		if err != nil {
			return err
		}
		first, firstHeld, err := at.open(ctx)
		if err != nil {
			return err
		}
		again, held, err := at.open(ctx)
		if err != nil {
			return err
		}
		drop()
		fresh, existing = append(fresh, first.Seconds()), append(existing, again.Seconds())
		newRest, rest = append(newRest, firstHeld), append(rest, held)
	}
	b.add(Row{Area: "start", What: name + ", existing store to ready", Unit: "s", Ours: existing.median(), Bar: oursAtMost(1)},
		Row{Area: "start", What: name + ", fresh store with the demo catalogue to ready", Unit: "s", Ours: fresh.median(), Bar: oursAtMost(3)},
		Row{Area: "memory", What: name + ", at rest, resident", Unit: "MB", Ours: rest.median(), Bar: oursAtMost(80)},
		Row{Area: "memory", What: name + ", at rest after a first start with the demo catalogue, resident", Unit: "MB", Ours: newRest.median(), Bar: oursAtMost(80)})
	return nil
}

// settle is how long a shop is left alone before its memory is looked at.
const settle = 2 * time.Second

// open starts the shop with the demo and tells how long that took and what it
// holds a moment later.
func (s site) open(ctx context.Context) (took time.Duration, held float64, err error) {
	p, err := s.serve(ctx, "--demo")
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-ctx.Done():
		return 0, 0, errors.Join(ctx.Err(), p.stop())
	case <-time.After(settle):
	}
	held, _, err = p.memory()
	return p.opened, held, errors.Join(err, p.stop())
}
