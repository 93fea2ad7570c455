// Command watermill carries events from commit to effect with Watermill: what
// cmd/app/bench compares our events over RabbitMQ with. It prints JSON.
//
//	go run . --postgres URL --amqp URL --writers 16 --events 2000
//	go run . --postgres URL --amqp URL --events 600 --rate 300
//
// What belongs here: Watermill's forwarder as its documentation shows it, set up as
// fast as it goes without losing anything. What does not: anything the shop uses; the
// module is one of its own so that its libraries stay here.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sync/errgroup"
)

type options struct {
	postgres, amqp  string
	writers, events int
	lanes           int
	rate            int // events a second; 0: as fast as it goes
}

// result is what is printed.
type result struct {
	Events  int       `json:"events"`
	Seconds float64   `json:"seconds"`           // from the first write to the last effect
	Lags    []float64 `json:"lags_ms,omitempty"` // from an event's record to the commit of its effect, where there is a rate
}

func main() {
	var o options
	flag.StringVar(&o.postgres, "postgres", "", "`URL` of a database that may be filled")
	flag.StringVar(&o.amqp, "amqp", "", "`URL` of a virtual host")
	flag.IntVar(&o.writers, "writers", 16, "how many publish at the same time")
	flag.IntVar(&o.events, "events", 2000, "how many events")
	flag.IntVar(&o.lanes, "lanes", 1, "how many outboxes, forwarders, queues and consumers stand side by side")
	flag.IntVar(&o.rate, "rate", 0, "events a second by one writer; 0: as many as the writers can")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := run(ctx, o)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "watermill: "+err.Error())
		os.Exit(1) //nolint:gocritic // stop has nothing to give back that the end of the process does not
	}
}

// warm is how many events go first, until connections and statements are there.
const warm = 200

func run(ctx context.Context, o options) (r result, err error) {
	p, err := open(ctx, o)
	if err != nil {
		return r, err
	}
	if err := p.publish(ctx, o.writers, warm, 0); err != nil {
		return r, err
	}
	p.lags.take()
	start := time.Now()
	if err := p.publish(ctx, o.writers, o.events, o.rate); err != nil {
		return r, err
	}
	r = result{Events: o.events, Seconds: time.Since(start).Seconds()}
	if o.rate > 0 {
		r.Lags = p.lags.take()
	}
	if err := p.equal(ctx); err != nil {
		return r, err
	}
	return r, p.close()
}

// publish lets writers publish so many events, and waits until each has had its effect.
func (p *pipe) publish(ctx context.Context, writers, events, rate int) error {
	before := p.applied.Load()
	turns := make(chan struct{})
	group, writing := errgroup.WithContext(ctx)
	group.Go(func() error { return deal(writing, turns, events, rate) })
	if rate > 0 {
		writers = 1
	}
	for range writers {
		group.Go(func() error {
			for range turns {
				if err := p.write(writing); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return p.await(ctx, before+int64(events))
}

// deal gives the turns, at a rate where there is one.
func deal(ctx context.Context, turns chan<- struct{}, n, rate int) error {
	defer close(turns)
	var tick <-chan time.Time
	if rate > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(rate))
		defer ticker.Stop()
		tick = ticker.C
	}
	for range n {
		if tick != nil {
			<-tick
		}
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// await waits until so many effects are committed.
func (p *pipe) await(ctx context.Context, want int64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.applied.Load() < want {
		select {
		case <-tick.C:
		case err := <-p.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("of %d effects %d came: %w", want, p.applied.Load(), ctx.Err())
		}
	}
	return nil
}
