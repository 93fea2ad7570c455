package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbitlimit"
	"github.com/banyan-tree/banyan/internal/resilience"
)

// parcel is what is sent to and fro: about 256 bytes of JSON.
type parcel struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// measureBroker compares a call over RabbitMQ, with all that the shop's calls have
// on them, with the bare round trip of the same body, and with what calls it
// without a broker.
func measureBroker(ctx context.Context, b *bench) (err error) {
	address, drop, err := virtualHost(ctx)
	if err != nil || address == "" {
		return err
	}
	defer drop()
	bare, err := rabbitlimit.NewEcho(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	ours, stop, err := openWire(ctx, address)
	if err != nil {
		return err
	}
	defer stop()
	peers, closePeers, err := openPeers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closePeers()) }()
	body := parcel{ID: id.V7(), Text: strings.Repeat("x", 200)}
	raw, err := port.Encode(body)
	if err != nil {
		return err
	}
	for _, callers := range []int{1, 16, 64, 256} {
		ways := []*way{
			{name: "bare amqp091 round trip", call: echoing(raw, bare.Call)},
			{name: "call over RabbitMQ", call: func(ctx context.Context) error { return ours(ctx, body) }},
		}
		for _, p := range peers {
			ways = append(ways, &way{name: p.name, call: echoing(raw, p.call)})
		}
		if err := b.takeTurns(ctx, callers, ways); err != nil {
			return err
		}
		b.add(callRows(callers, ways[1], ways[0], ways[2:])...)
	}
	return nil
}

// way is one way to make the same call, and what was measured of it round by round.
type way struct {
	name         string
	call         func(context.Context) error
	rates, tails figures
}

// echoing makes a call that must bring the same bytes back.
func echoing(raw []byte, say func(context.Context, []byte) ([]byte, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		got, err := say(ctx, raw)
		if err == nil && !bytes.Equal(got, raw) {
			err = fmt.Errorf("%d bytes came back of %d", len(got), len(raw))
		}
		return err
	}
}

// takeTurns measures the ways in interleaved rounds.
func (b *bench) takeTurns(ctx context.Context, callers int, ways []*way) error {
	rounds, about := b.pick(1, 5, 9), time.Duration(b.pick(300, 1500, 4000))*time.Millisecond
	for round := range 1 + rounds {
		b.progress.say("%d callers, round %d of %d", callers, round, rounds)
		for _, w := range ways {
			perSecond, tail, err := hammerCalls(ctx, callers, about, w.call)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			if round > 0 { // the first warms up
				w.rates, w.tails = append(w.rates, perSecond), append(w.tails, tail)
			}
		}
	}
	return nil
}

// callRows compares ours with the limit, by bars, and with the peers, for information.
func callRows(callers int, ours, limit *way, peers []*way) []Row {
	rows := []Row{{
		Area: "broker", What: fmt.Sprintf("call over RabbitMQ, %d at a time", callers), Unit: "calls/s", Ours: ours.rates.median(), Limit: limit.rates.median(),
		Ratio: paired(ours.rates, limit.rates).median(), Is: "bare amqp091 round trip of the same body", Bar: ratioAtLeast(0.9),
	}, {
		Area: "broker", What: fmt.Sprintf("the same, p99, %d at a time", callers), Unit: "ms", Ours: ours.tails.median(), Limit: limit.tails.median(),
		Ratio: paired(ours.tails, limit.tails).median(), Is: "of the bare round trip", Bar: ratioAtMost(1.2),
	}}
	for _, p := range peers {
		rows = append(rows, Row{
			Area: "broker", What: fmt.Sprintf("the same, beside %s, %d at a time", p.name, callers), Unit: "calls/s", Ours: ours.rates.median(), Limit: p.rates.median(),
			Ratio: paired(ours.rates, p.rates).median(), Is: "of the same body, bare, without a broker",
		})
	}
	return rows
}

// openWire serves an echo and calls it, between two brokers as between two processes.
func openWire(ctx context.Context, address string) (call func(context.Context, parcel) error, stop func(), err error) {
	signer, err := port.NewHMACSigner([]byte("the key of a benchmark, known to both ends"))
	if err != nil {
		return nil, nil, err
	}
	observed := port.WithTelemetry(port.Telemetry{Registerer: prometheus.NewRegistry(), Tracer: noop.NewTracerProvider().Tracer("")})
	echo := port.Query[parcel, parcel]("echo.say")
	server := port.NewServer("echo", port.WithSigner(signer), observed)
	echo.Handle(server, func(_ context.Context, p parcel) (parcel, error) { return p, nil })
	here, err := rabbit.New(rabbit.Config{URL: address})
	if err != nil {
		return nil, nil, err
	}
	there, err := rabbit.New(rabbit.Config{URL: address})
	if err != nil {
		return nil, nil, err
	}
	there.Serve(server, rabbit.Limits{})
	guard, err := resilience.NewGuard(resilience.GuardConfig{Name: "calls.echo", Places: 256})
	if err != nil {
		return nil, nil, err
	}
	conn := port.NewConn("echo", port.WithSigner(signer), observed)
	conn.Remote(resilience.Transport(here.To("echo"), guard))
	if stop, err = runLinks(ctx, there, here); err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, p parcel) error { _, err := echo.Call(ctx, conn, p); return err }, stop, nil
}

// hammerCalls calls for about a time and gives the calls per second and the p99 in
// milliseconds.
func hammerCalls(ctx context.Context, callers int, about time.Duration, call func(context.Context) error) (perSecond, p99 float64, err error) {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var over atomic.Bool
	timer := time.AfterFunc(about, func() { over.Store(true) })
	defer timer.Stop()
	start := time.Now()
	var mu sync.Mutex
	var all []time.Duration
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			var mine []time.Duration
			var failed error
			for !over.Load() && failed == nil {
				began := time.Now()
				failed = call(limited)
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all, err = append(all, mine...), errors.Join(err, failed)
		})
	}
	group.Wait()
	took := time.Since(start)
	return rate(len(all), took), milliseconds(all).quantile(.99), err
}
