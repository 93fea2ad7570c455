package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbitlimit"
)

// measureDrain lets the relay find a backlog, as after an hour without a broker, and
// compares how fast the broker confirms it with the best that publishes the same.
func measureDrain(ctx context.Context, b *bench) (err error) {
	broker, dropHost, err := virtualHost(ctx)
	if err != nil || broker == "" || b.postgres == "" {
		return err
	}
	defer dropHost()
	address, drop, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	d, err := openDrain(ctx, address, broker)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	var ours, limit, resident, heap figures
	n, rounds := b.pick(5_000, 100_000, 1_000_000), b.pick(1, 3, 1)
	for round := range 1 + rounds {
		size := n
		if round == 0 { // warms up
			size = min(n, 10_000)
		}
		b.progress.say("drain of %s events, round %d of %d", number(float64(size)), round, rounds)
		o, grew, err := d.ours(ctx, size)
		if err != nil {
			return err
		}
		l, err := d.bare(ctx, size)
		if err != nil {
			return fmt.Errorf("the bare publisher: %w", err)
		}
		if round > 0 {
			ours, limit = append(ours, o), append(limit, l)
			resident, heap = append(resident, grew.resident), append(heap, grew.heap)
		}
	}
	what := fmt.Sprintf("relay drain of %s events", number(float64(n)))
	b.add(Row{
		Area: "broker", What: what, Unit: "events/s", Ours: ours.median(), Limit: limit.median(), Ratio: paired(ours, limit).median(),
		Is: "amqp091, the same bodies to a quorum queue, 256 unconfirmed", Bar: ratioAtLeast(0.7),
	}, Row{Area: "broker", What: what + ", the most more resident", Unit: "MB", Ours: resident.quantile(1)},
		Row{Area: "broker", What: what + ", the most more heap", Unit: "MB", Ours: heap.quantile(1)})
	return nil
}

// drainQueue is what the limit publishes to.
const drainQueue = "bench.drain"

// drained is a module that publishes over a broker, and a module that listens and is
// not there: its queue is.
type drained struct {
	*pipe
	link      *rabbit.Broker
	stopLink  func()
	publisher *rabbitlimit.Publisher
	confirmed *counted
}

// counted is the way to the broker, with a count of what it confirmed.
type counted struct {
	event.Sink
	n    atomic.Int64
	last atomic.Pointer[event.Envelope]
}

func (c *counted) Deliver(ctx context.Context, events []event.Envelope) error {
	err := c.Sink.Deliver(ctx, events)
	if err == nil {
		c.last.Store(&events[0])
		c.n.Add(int64(len(events)))
	}
	return err
}

func openDrain(ctx context.Context, address, broker string) (d *drained, err error) {
	d = &drained{}
	if d.pipe, err = newPipe(ctx, address); err != nil {
		return nil, err
	}
	if err = d.listenOnce(ctx, broker); err != nil {
		return nil, errors.Join(err, d.pipe.stop())
	}
	if d.link, err = rabbit.New(rabbit.Config{URL: broker}); err != nil {
		return nil, errors.Join(err, d.pipe.stop())
	}
	d.link.Publish(rabbit.Source{Module: "source", Retention: 24 * time.Hour})
	d.confirmed = &counted{Sink: d.link.Sink()}
	if d.stopLink, err = runLinks(ctx, d.link); err != nil {
		return nil, errors.Join(err, d.pipe.stop())
	}
	if d.publisher, err = rabbitlimit.NewPublisher(broker, drainQueue); err != nil {
		d.stopLink()
		return nil, errors.Join(err, d.pipe.stop())
	}
	return d, nil
}

// listenOnce leaves behind the queue of a consumer that goes away: it would take the
// processors from the relay.
func (d *drained) listenOnce(ctx context.Context, broker string) error {
	there, err := rabbit.New(rabbit.Config{URL: broker})
	if err != nil {
		return err
	}
	there.Consume(d.consumer)
	stop, err := runLinks(ctx, there)
	if err == nil {
		stop()
	}
	return err
}

func (d *drained) close() error {
	d.stopLink()
	return errors.Join(d.publisher.Close(), d.pipe.stop())
}

// ours fills the outbox, then starts the relay and waits until the broker has
// confirmed all.
func (d *drained) ours(ctx context.Context, n int) (perSecond float64, grew growth, err error) {
	if err := d.fill(ctx, n); err != nil {
		return 0, growth{}, err
	}
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return 0, growth{}, err
	}
	bus.Source(d.outbox)
	bus.Sink(d.confirmed)
	before := d.confirmed.n.Load()
	watched := watchMemory()
	start := time.Now()
	stop := runBus(ctx, bus)
	err = await(ctx, &d.confirmed.n, before+int64(n))
	took := time.Since(start)
	grew, failed := watched.end()
	if err == nil {
		err = bus.Drain(ctx) // the last are marked, or they would be sent once more
	}
	stop()
	if err = errors.Join(err, failed); err != nil {
		return 0, growth{}, err
	}
	return rate(n, took), grew, d.purge(rabbit.EventQueue("target"), n)
}

// fill writes events that nobody relays yet.
func (d *drained) fill(ctx context.Context, n int) error {
	const atOnce = 1000
	return parallel(ctx, 2, (n+atOnce-1)/atOnce, func(ctx context.Context, part int) error {
		return d.source.Atomic(ctx, func(ctx context.Context) error {
			var events []event.Event
			for range min(atOnce, n-part*atOnce) {
				key := id.V7()
				events = append(events, d.kind.New(key, 1, happening{Order: key, Cents: 4550}))
			}
			return d.outbox.Publish(ctx, events...)
		})
	})
}

// bare publishes as many times the body of an event of ours.
func (d *drained) bare(ctx context.Context, n int) (perSecond float64, err error) {
	body, err := json.Marshal(d.confirmed.last.Load())
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := d.publisher.Publish(ctx, n, func(int) []byte { return body }); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return rate(n, took), d.purge(drainQueue, n)
}

// purge empties a queue, in which there must be all that was published.
func (d *drained) purge(queue string, n int) error {
	got, err := d.publisher.Purge(queue)
	if err == nil && got != n {
		err = fmt.Errorf("%d messages were published, and %d are in %s", n, got, queue)
	}
	return err
}
