package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/banyan-tree/banyan/internal/run"
)

// Sink is whoever gets the events of the sources: a Consumer in this process, or
// a transport that brings them to another one. Deliver returns nil once every
// event is safe with the sink; after an error all of them are delivered again.
type Sink interface {
	Name() string
	Topics() []string // nil: all
	Deliver(ctx context.Context, events []Envelope) error
}

// Bus brings the events of the outboxes of this process to its consumers.
// Sources and sinks are added before the tasks run.
type Bus struct {
	log       *slog.Logger
	metrics   *metrics
	sources   []*relay
	consumers []*Consumer
	sinks     []sink
	keep      time.Duration // of sent events; 0: for ever
	running   atomic.Int64  // passes and retries that are at work
	moves     atomic.Int64  // counts what was done, so that Drain sees whether it looked at something that moved
}

type sink struct {
	Sink
	topics map[string]bool // nil: all
}

// NewBus makes a bus. reg may be nil: then nothing is counted.
func NewBus(log *slog.Logger, reg prometheus.Registerer) (*Bus, error) {
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("register the metrics of the event bus: %w", err)
	}
	b := &Bus{log: log, metrics: m}
	if reg == nil {
		return b, nil
	}
	if err := reg.Register(newGauges(b)); err != nil {
		return nil, fmt.Errorf("register the metrics of the event bus: %w", err)
	}
	return b, nil
}

// Source adds an outbox whose events are relayed.
func (b *Bus) Source(o *Outbox) {
	o.metrics = b.metrics
	b.sources = append(b.sources, newRelay(b, o))
}

// Subscribe adds a consumer of this process. When it has never listened to a
// topic before, it is caught up from the event logs of the sources.
func (b *Bus) Subscribe(c *Consumer) {
	c.metrics, c.log = b.metrics, b.log
	b.consumers = append(b.consumers, c)
	b.Sink(c)
}

// Attend adds a consumer whose events a transport brings, from other processes too:
// the sources of this one do not deliver to it, and it is the transport that
// catches it up. What failed is retried here.
func (b *Bus) Attend(c *Consumer) {
	c.metrics, c.log, c.carried, c.bus = b.metrics, b.log, true, b
	b.consumers = append(b.consumers, c)
}

// Sink adds a transport, which gets what the consumers get.
func (b *Bus) Sink(s Sink) {
	added := sink{Sink: s}
	if topics := s.Topics(); topics != nil {
		added.topics = map[string]bool{}
		for _, t := range topics {
			added.topics[t] = true
		}
	}
	b.sinks = append(b.sinks, added)
}

// Consumer by its name, nil where there is none.
func (b *Bus) Consumer(name string) *Consumer {
	for _, c := range b.consumers {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// Consumers of this process.
func (b *Bus) Consumers() []*Consumer { return b.consumers }

// Sources of this process.
func (b *Bus) Sources() []*Outbox {
	all := make([]*Outbox, len(b.sources))
	for i, r := range b.sources {
		all[i] = r.outbox
	}
	return all
}

// Tasks are the relays of the sources, the retries of the consumers and the
// upkeep of the logs. They end with their context and give back what they hold.
func (b *Bus) Tasks() []run.Task {
	var tasks []run.Task
	for _, r := range b.sources {
		tasks = append(tasks, run.Task{Name: "relay " + r.outbox.Module(), Run: r.run})
	}
	for _, c := range b.consumers {
		tasks = append(tasks, run.Task{Name: "inbox " + c.Name(), Run: func(ctx context.Context) error { return b.attend(ctx, c) }})
	}
	if len(b.sources) > 0 {
		tasks = append(tasks, run.Task{Name: "event log upkeep", Run: b.upkeep})
	}
	return tasks
}

// Inherit gives back what relays and attempts of consumers hold, for when it is
// known that their processes are gone.
func (b *Bus) Inherit(ctx context.Context) error {
	for _, r := range b.sources {
		if err := r.outbox.inherit(ctx); err != nil {
			return fmt.Errorf("inherit the lanes of %s: %w", r.outbox.Module(), err)
		}
	}
	for _, c := range b.consumers {
		if err := c.inherit(ctx); err != nil {
			return fmt.Errorf("inherit the inbox of %s: %w", c.Name(), err)
		}
	}
	return nil
}

// attend registers a consumer, then applies what is pending when it is due.
func (b *Bus) attend(ctx context.Context, c *Consumer) error {
	var pause backoff
	looked := time.Now() // for gaps
	asked := c.now()     // for what other versions missed
	defer c.settle(ctx)
	for registered := c.carried; ctx.Err() == nil; {
		var err error
		if !registered {
			if err = b.register(ctx, c, c.besideOthers()); err == nil {
				registered, asked = true, c.now()
				c.putOffFrom(true)
			}
		}
		if err == nil && c.besideOthers() && c.now().Sub(asked) > 2*c.LookAgain { // by now all know who listens
			err, asked = b.register(ctx, c, false), c.now()
		}
		worked := false
		if err == nil {
			worked, err = b.retry(ctx, c)
		}
		if err == nil {
			err = c.flush(ctx)
		}
		if err == nil && c.missed.Swap(false) {
			err = b.closeGaps(ctx, c, 0)
		}
		if err == nil && time.Since(looked) > c.GapPatience {
			looked = time.Now()
			err = b.closeGaps(ctx, c, c.GapPatience)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			b.log.WarnContext(ctx, "inbox", "consumer", c.Name(), "error", err)
			pause.sleep(ctx)
		case !worked:
			pause = 0
			sleep(ctx, pollEvery, c.wake)
		default:
			pause = 0
		}
	}
	return nil
}

func (b *Bus) retry(ctx context.Context, c *Consumer) (bool, error) {
	b.running.Add(1)
	defer b.running.Add(-1)
	worked, err := c.retryDue(ctx)
	if worked {
		b.moves.Add(1)
	}
	return worked, err
}

// Drain waits until every event of the sources is sent and no pending event is
// due. It helps along, so it ends also where the tasks do not run. Events that
// wait for their next attempt, for a gap or for a person are not waited for.
// The error is that of ctx, or of a database that cannot be read.
func (b *Bus) Drain(ctx context.Context) error {
	for ctx.Err() == nil {
		before := b.moves.Load()
		for _, r := range b.sources {
			if _, err := r.pass(ctx, false); err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "relay", "module", r.outbox.Module(), "error", err)
			}
		}
		for _, c := range b.consumers {
			_, err := b.retry(ctx, c)
			if err = errors.Join(err, c.flush(ctx)); err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "inbox", "consumer", c.Name(), "error", err)
			}
		}
		clean, err := b.clean(ctx)
		if err != nil {
			return err
		}
		if clean && b.running.Load() == 0 && b.moves.Load() == before {
			return nil
		}
		if !clean {
			sleep(ctx, time.Millisecond, nil)
		}
	}
	return ctx.Err()
}

func (b *Bus) clean(ctx context.Context) (bool, error) {
	for _, r := range b.sources {
		if unsent, err := r.outbox.unsent(ctx); err != nil || unsent {
			return false, err
		}
	}
	for _, c := range b.consumers {
		if due, err := c.countDue(ctx); err != nil || due > 0 {
			return false, err
		}
	}
	return true, nil
}
