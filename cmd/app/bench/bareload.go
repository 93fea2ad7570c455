package main

import (
	"context"
	"fmt"
	"time"
)

var _ carrier = (*barePipe)(nil)

func (p *barePipe) throughput(ctx context.Context, n int) (time.Duration, error) {
	ctx, leave := p.alive(ctx)
	defer leave()
	start := time.Now()
	if err := parallel(ctx, writers, n, func(ctx context.Context, _ int) error { return p.publish(ctx) }); err != nil {
		return 0, err
	}
	if err := await(ctx, &p.applied, p.causes.Load()); err != nil {
		return 0, err
	}
	return time.Since(start), p.equal(ctx)
}

func (p *barePipe) latency(ctx context.Context, n int) (figures, error) {
	ctx, leave := p.alive(ctx)
	defer leave()
	p.lags.take()
	if err := at300(ctx, n, p.publish); err != nil {
		return nil, err
	}
	if err := await(ctx, &p.applied, p.causes.Load()); err != nil {
		return nil, err
	}
	return milliseconds(p.lags.take()), p.equal(ctx)
}

// alive is ctx that ends with the relay and the inbox too: nobody waits for effects
// that will not come.
func (p *barePipe) alive(ctx context.Context) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	forget := context.AfterFunc(p.life, func() { end(context.Cause(p.life)) })
	return ctx, func() { forget(); end(nil) }
}

// equal checks that each cause has its effect, once.
func (p *barePipe) equal(ctx context.Context) error {
	var causes, effects int64
	err := p.source.QueryRow(ctx, `SELECT (SELECT count(*) FROM limit_business), (SELECT count(*) FROM limit_effects)`).Scan(&causes, &effects)
	if err == nil && causes != effects {
		err = fmt.Errorf("%d bare events were published, but %d had their effect", causes, effects)
	}
	return err
}

func (p *barePipe) end() error { return p.stop() }
