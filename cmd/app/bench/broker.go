package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
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

// virtualHost makes an empty one on the tests' broker; "" where there is none.
func virtualHost(ctx context.Context) (address string, drop func(), err error) {
	broker, admin := os.Getenv("BANYAN_TEST_AMQP_URL"), os.Getenv("BANYAN_TEST_AMQP_ADMIN")
	if broker == "" || admin == "" {
		return "", nil, nil
	}
	name := "bench_" + strings.ReplaceAll(id.V7(), "-", "")
	ask := func(ctx context.Context, method string) error {
		req, err := http.NewRequestWithContext(ctx, method, admin+"/api/vhosts/"+name, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode >= 300 {
			return fmt.Errorf("%s the virtual host %s: %s", method, name, res.Status)
		}
		return nil
	}
	u, err := url.Parse(broker)
	if err != nil {
		return "", nil, err
	}
	// The broker may have been started a moment ago.
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for err = ask(starting, http.MethodPut); err != nil && starting.Err() == nil; err = ask(starting, http.MethodPut) {
		select {
		case <-starting.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	u.Path = "/" + name
	return u.String(), func() { _ = ask(context.WithoutCancel(ctx), http.MethodDelete) }, err
}

// measureBroker compares a call over RabbitMQ, with all that the shop's calls have
// on them, with the bare round trip of the same body.
func measureBroker(ctx context.Context, b *bench) (err error) {
	address, drop, err := virtualHost(ctx)
	if err != nil || address == "" {
		return err
	}
	defer drop()
	bareEcho, err := rabbitlimit.NewEcho(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bareEcho.Close()) }()
	ours, stop, err := openWire(ctx, address)
	if err != nil {
		return err
	}
	defer stop()
	body := parcel{ID: id.V7(), Text: strings.Repeat("x", 200)}
	raw, err := port.Encode(body)
	if err != nil {
		return err
	}
	bare := func(ctx context.Context) error { _, err := bareEcho.Call(ctx, raw); return err }
	through := func(ctx context.Context) error { return ours(ctx, body) }
	rounds, about := b.pick(1, 5, 9), time.Duration(b.pick(300, 1500, 4000))*time.Millisecond
	for _, callers := range []int{1, 16, 64, 256} {
		var our, limit, ourTail, limitTail figures
		for round := range 1 + rounds {
			b.progress.say("%d callers, round %d of %d", callers, round, rounds)
			l, lt, err := hammerCalls(ctx, callers, about, bare)
			if err != nil {
				return fmt.Errorf("the bare round trip: %w", err)
			}
			o, ot, err := hammerCalls(ctx, callers, about, through)
			if err != nil {
				return fmt.Errorf("a call over RabbitMQ: %w", err)
			}
			if round > 0 { // the first warms up
				our, limit = append(our, o), append(limit, l)
				ourTail, limitTail = append(ourTail, ot), append(limitTail, lt)
			}
		}
		b.add(Row{
			Area: "broker", What: fmt.Sprintf("call over RabbitMQ, %d at a time", callers), Unit: "calls/s", Ours: our.median(), Limit: limit.median(),
			Ratio: paired(our, limit).median(), Is: "bare amqp091 round trip of the same body", Bar: ratioAtLeast(0.9),
		}, Row{
			Area: "broker", What: fmt.Sprintf("the same, p99, %d at a time", callers), Unit: "ms", Ours: ourTail.median(), Limit: limitTail.median(),
			Ratio: paired(ourTail, limitTail).median(), Is: "of the bare round trip", Bar: ratioAtMost(1.2),
		})
	}
	return nil
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
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	stop = func() { cancel(); tasks.Wait() }
	for _, broker := range []*rabbit.Broker{there, here} {
		for _, task := range broker.Tasks() {
			tasks.Go(func() { _ = task.Run(running) })
			if err := task.Ready(ctx); err != nil {
				stop()
				return nil, nil, err
			}
		}
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
