package main

import (
	"context"
	"errors"
	"time"
)

// carrier brings events from the commit of their cause to the commit of their effect.
type carrier interface {
	// throughput publishes n events by 16 writers and waits for their effects.
	throughput(ctx context.Context, n int) (time.Duration, error)
	// latency publishes 300 events a second and gives the lags in milliseconds.
	latency(ctx context.Context, n int) (figures, error)
	// end gives back what it holds.
	end() error
}

// carriage is a carrier, what is asked of it, and what was measured round by round.
type carriage struct {
	carrier
	name, is        string
	many            int  // events a round, for the rate
	bar             *Bar // of our rate to its own
	lags            bool // are measured
	lag50, lag99    *Bar // of our lags to its own
	rates, p50, p99 figures
}

// measure does one round.
func (c *carriage) measure(ctx context.Context, counts bool, slow int) error {
	took, err := c.throughput(ctx, c.many)
	if err != nil {
		return err
	}
	if counts {
		c.rates = append(c.rates, rate(c.many, took))
	}
	if !c.lags {
		return nil
	}
	at300, err := c.latency(ctx, slow)
	if err == nil && counts {
		c.p50, c.p99 = append(c.p50, at300.quantile(.5)), append(c.p99, at300.quantile(.99))
	}
	return err
}

// plan is a carriage before its carrier is there; open gets a database of its own.
type plan struct {
	carriage
	open func(address string) (carrier, error)
}

// carriers are what is compared, ours first, in the process where there is no broker.
// Watermill, which needs one, is left out where it cannot be built. Its forwarder waits
// for each confirmation, so the component as it is and several of them, which a shop
// would have to divide its aggregates among, differ.
func (b *bench) carriers(ctx context.Context, broker string) []plan {
	many := b.pick(1000, 6000, 20000)
	name, by := "events over RabbitMQ", "pgx and amqp091"
	if broker == "" {
		name, by = "PostgreSQL", "pgx"
	}
	all := []plan{{
		carriage{name: name, many: many, lags: true},
		func(address string) (carrier, error) { return openPipe(ctx, address, broker) },
	}, {
		carriage{
			name: "the bare pipeline", is: "outbox, relay and inbox by hand: " + by + ", in batches",
			many: many, lags: true, lag50: ratioAtMost(1.3), lag99: ratioAtMost(1.5),
		},
		func(address string) (carrier, error) { return openBarePipe(ctx, address, broker) },
	}}
	if broker == "" {
		return all
	}
	if program := b.buildWatermill(ctx); program != "" {
		all = append(all, plan{
			carriage{name: "Watermill", is: "Watermill's forwarder, tuned: big batches, a poll each millisecond", many: many / 4, lags: true, bar: ratioAtLeast(5)},
			func(address string) (carrier, error) { return &mill{program, address, broker, 1}, nil },
		}, plan{
			carriage{name: "8 lanes of Watermill", is: "8 forwarders, queues and consumers side by side", many: many / 4},
			func(address string) (carrier, error) { return &mill{program, address, broker, 8}, nil },
		})
	}
	return all
}

// openCarriages opens all of the plans.
func (b *bench) openCarriages(ctx context.Context, plans []plan) (all []*carriage, closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i]())
		}
		return errors.Join(errs...)
	}
	for _, p := range plans {
		address, drop, err := b.database(ctx)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		closers = append(closers, func() error { drop(); return nil })
		c := p.carriage
		if c.carrier, err = p.open(address); err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		closers = append(closers, c.end)
		all = append(all, &c)
	}
	return all, closeAll, nil
}
