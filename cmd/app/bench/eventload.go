package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/id"
)

// publish does the transaction that the limit does: a row of business and its event.
func (p *pipe) publish(ctx context.Context) error {
	aggregate := id.V7()
	return p.source.Atomic(ctx, func(ctx context.Context) error {
		if err := p.source.Conn(ctx).Exec(`INSERT INTO bench_business (id) VALUES (?)`, aggregate).Error; err != nil {
			return err
		}
		return p.outbox.Publish(ctx, p.kind.New(aggregate, 1, happening{Order: aggregate, Cents: 4550}))
	})
}

// throughput publishes n events and waits until each has had its effect.
func (p *pipe) throughput(ctx context.Context, n int) (time.Duration, error) {
	before, start := p.applied.Load(), time.Now()
	if err := parallel(ctx, writers, n, func(ctx context.Context, _ int) error { return p.publish(ctx) }); err != nil {
		return 0, err
	}
	if err := p.bus.Drain(ctx); err != nil {
		return 0, err
	}
	if err := p.arrived(ctx, before+int64(n)); err != nil {
		return 0, err
	}
	took := time.Since(start)
	// A rolled back batch applies twice, so only the rows tell.
	if p.applied.Load()-before < int64(n) {
		return 0, fmt.Errorf("%d events were published, but %d applied", n, p.applied.Load()-before)
	}
	return took, p.equal(ctx)
}

// longest is how long an effect may take before something must be wrong.
const longest = time.Minute

// arrived waits until as many effects were tried: over a broker an event has left
// its outbox before it has its effect.
func (p *pipe) arrived(ctx context.Context, want int64) error {
	if err := await(ctx, &p.applied, want); err != nil || !p.carried {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for { // what comes twice is counted twice
		err := p.equal(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// await waits until as many effects came.
func await(ctx context.Context, effects *atomic.Int64, want int64) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	last, since := int64(0), time.Now()
	for effects.Load() < want {
		if n := effects.Load(); n > last {
			last, since = n, time.Now()
		}
		if time.Since(since) > longest {
			return fmt.Errorf("of %d effects %d came, and none for %s: are there dead letters?", want, last, longest)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// equal checks that there are as many effects as causes.
func (p *pipe) equal(ctx context.Context) error {
	var causes, effects int64
	err := errors.Join(
		p.source.Conn(ctx).Raw(`SELECT count(*) FROM bench_business`).Scan(&causes).Error,
		p.target.Conn(ctx).Raw(`SELECT count(*) FROM bench_effects`).Scan(&effects).Error)
	if err == nil && causes != effects {
		err = fmt.Errorf("%d events were published, but %d had their effect", causes, effects)
	}
	return err
}

// latency publishes 300 events a second and gives how long each took from its
// record to the commit of its effect, in milliseconds.
func (p *pipe) latency(ctx context.Context, n int) (figures, error) {
	p.lags.take()
	before := p.applied.Load()
	if err := at300(ctx, n, p.publish); err != nil {
		return nil, err
	}
	if err := p.bus.Drain(ctx); err != nil {
		return nil, err
	}
	if err := p.arrived(ctx, before+int64(n)); err != nil {
		return nil, err
	}
	return milliseconds(p.lags.take()), nil
}

func (p *pipe) end() error { return p.stop() }

// at300 does something n times, 300 times a second.
func at300(ctx context.Context, n int, do func(context.Context) error) error {
	tick := time.NewTicker(time.Second / 300)
	defer tick.Stop()
	for range n {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lags of effects behind their events.
type lags struct {
	mu   sync.Mutex
	list []time.Duration
}

func (l *lags) add(more ...time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, more...)
}

// take gives what was added since the last time.
func (l *lags) take() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

// openPostgres opens a pool and runs statements.
func openPostgres(ctx context.Context, address string, size int, statements ...string) (*sql.DB, error) {
	pool, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	for _, text := range statements {
		if _, err := pool.ExecContext(ctx, text); err != nil {
			return nil, errors.Join(err, pool.Close())
		}
	}
	return pool, nil
}
