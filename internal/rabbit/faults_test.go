package rabbit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// storm is how much of something a test does: small unless BANYAN_TEST_STORM=full.
func storm(small, full int) int {
	if os.Getenv("BANYAN_TEST_STORM") == "full" {
		return full
	}
	return small
}

// pause waits for a random time: what is tested must not depend on when it happens.
func pause(ctx context.Context, most time.Duration) {
	select {
	case <-time.After(rand.N(most)):
	case <-ctx.Done():
	}
}

// The connections of publisher and consumer are cut again and again while handlers
// run: each event has its effect once and in order, and nothing is put aside.
func TestCutsWhileHandlersRun(t *testing.T) {
	t.Parallel()
	cuts, each := storm(12, 200), int64(storm(6, 20))
	slow := time.Duration(storm(300, 5000)) * time.Millisecond
	const aggregates = 50
	rare := storm(40, 500) // of the handlers are slow: they run one after the other
	url := testenv.RabbitMQ(t)
	here, there := rabbittest.NewWire(t, url), rabbittest.NewWire(t, url)
	p, l := newPublisher(t, here.URL), newListener(t, there.URL)
	var running, hits atomic.Int64
	l.failing(func(ctx context.Context, m event.Meta) error {
		running.Add(1)
		defer running.Add(-1)
		if rand.IntN(rare) == 0 {
			pause(ctx, slow)
		}
		return nil
	})
	l.start(t, nil)
	work(t, p.bus, p.broker)
	stormy := make(chan struct{})
	go func() {
		defer close(stormy)
		for i := range cuts {
			pause(t.Context(), 200*time.Millisecond)
			for began := time.Now(); running.Load() == 0 && time.Since(began) < patience; { // the hard case
				pause(t.Context(), 2*time.Millisecond)
			}
			if running.Load() > 0 {
				hits.Add(1)
			}
			if i%3 == 0 {
				here.Cut(t)
			} else {
				there.Cut(t)
			}
		}
	}()
	over := false
	var total int64
	for v := int64(1); v <= each || !over; v++ { // as long as the storm lasts
		for a := range aggregates {
			p.record(t, fmt.Sprint("a", a), v, v)
		}
		total = v
		select {
		case <-stormy:
			over = true
		case <-time.After(rand.N(time.Duration(storm(100, 500)) * time.Millisecond)):
		}
	}
	healed := time.Now()
	t.Logf("%d events in %d cuts, %d had their effect", total*aggregates, cuts, l.count(t))
	l.await(t, int(total)*aggregates)
	t.Logf("%d cuts, %d of them while a handler ran; %d events; caught up %s after the last", cuts, hits.Load(), total*aggregates, time.Since(healed))
	require.Positive(t, hits.Load(), "no cut met a running handler: the hard case was not hit")
	for a := range aggregates {
		require.Equal(t, upTo(total), l.effects(t, fmt.Sprint("a", a)))
	}
	letters, err := rabbittest.New(t, url).DeadLetters(t.Context(), "ledger", 10)
	require.NoError(t, err)
	require.Empty(t, letters)
}

// A command is delivered again because the connection of whoever carries it out was
// cut. The caller hears what became of it, not that it is under way.
func TestCutDuringACommand(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	wire := rabbittest.NewWire(t, url)
	here, there := rabbittest.New(t, url), rabbittest.New(t, wire.URL)
	var again atomic.Int64
	begun, over := make(chan struct{}), make(chan struct{})
	srv := port.NewServer("shop", port.WithSigner(rabbittest.Signer(t)))
	var once sync.Once
	buy.Handle(srv, func(context.Context, string) (string, error) {
		mine := false
		once.Do(func() { mine = true; close(begun) })
		if mine {
			<-over
			return "bought", nil
		}
		again.Add(1)
		select {
		case <-over:
			return "bought", nil
		default:
			return "", idempotency.InFlight.Errorf("the first is still at work")
		}
	})
	there.Serve(srv, rabbit.Limits{})
	rabbittest.Run(t, here, there)
	finish := sync.OnceFunc(func() { close(over) })
	t.Cleanup(finish)
	answer := make(chan error, 1)
	c := client(t, here)
	go func() { _, err := buy.Call(t.Context(), c, "fig"); answer <- err }()
	<-begun
	wire.Cut(t)
	require.Eventually(t, func() bool { return again.Load() > 1 }, patience, time.Millisecond)
	finish()
	require.NoError(t, <-answer)
}

// Commands that come again because the connection was cut, while those who began them
// are at work still, keep nobody out: they wait beside the places, and those for whom
// there is no room there are given back to their callers.
func TestToOutlastIsNoWork(t *testing.T) {
	t.Parallel()
	const begun = 3
	for name, room := range map[string]struct{ resting, givenBack int }{
		"there is room for all":      {begun, 0},
		"there is room for one only": {1, begun - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testenv.RabbitMQ(t)
			wire := rabbittest.NewWire(t, url)
			here, there := rabbittest.New(t, url), rabbittest.New(t, wire.URL)
			at, over := make(chan string, 100), make(chan struct{})
			var known sync.Map
			srv := port.NewServer("shop", port.WithSigner(rabbittest.Signer(t)))
			buy.Handle(srv, func(_ context.Context, what string) (string, error) {
				if _, again := known.LoadOrStore(what, true); again {
					select {
					case <-over:
					default:
						return "", idempotency.InFlight.Errorf("the first is still at work")
					}
				}
				at <- what
				<-over
				return what, nil
			})
			look.Handle(srv, func(_ context.Context, what string) (string, error) { return what, nil })
			there.Serve(srv, rabbit.Limits{Places: begun + 1, Resting: room.resting}) // who began them is at work still
			rabbittest.Run(t, here, there)
			finish := sync.OnceFunc(func() { close(over) })
			t.Cleanup(finish)
			answers := make(chan error, begun)
			c := client(t, here)
			for i := range begun {
				go func() { _, err := buy.Call(t.Context(), c, fmt.Sprint("fig", i)); answers <- err }()
				<-at
			}
			wire.Cut(t)
			said, err := look.Call(t.Context(), c, "soon") // comes after them
			require.NoError(t, err)
			require.Equal(t, "soon", said)
			for range room.givenBack { // before those who began them are done
				require.ErrorIs(t, <-answers, fault.Unavailable)
			}
			finish()
			for range begun - room.givenBack {
				require.NoError(t, <-answers)
			}
		})
	}
}

// Calls while the connections of both ends are cut: each gets its own answer or an
// error, soon; who repeats is served in the end; and what has no key is never done
// a second time for one message.
func TestCutsDuringCalls(t *testing.T) {
	t.Parallel()
	cuts := storm(15, 200)
	url, s := testenv.RabbitMQ(t), newShop()
	near, far := rabbittest.NewWire(t, url), rabbittest.NewWire(t, url)
	there, here := rabbittest.New(t, far.URL), rabbittest.New(t, near.URL)
	there.Serve(s.server(t), rabbit.Limits{})
	rabbittest.Run(t, there, here)
	c := client(t, here)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	var served, lost atomic.Int64
	for i := range 16 {
		callers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				what := fmt.Sprintf("%d-%d", i, n)
				method := []*port.Method[string, string]{look, buy, wave}[n%3]
				limited, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				said, err := method.Call(limited, c, what)
				cancel()
				switch {
				case err == nil && said != what+" for ":
					t.Errorf("asked for %s and got %q", what, said)
				case err == nil:
					served.Add(1)
				case errors.Is(err, fault.Unavailable) || errors.Is(err, fault.DeadlineExceeded):
					lost.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	for i := range cuts {
		pause(t.Context(), 200*time.Millisecond)
		if i%2 == 0 {
			near.Cut(t)
		} else {
			far.Cut(t)
		}
		// The next cut must meet calls that go well again, however slow the machine.
		require.Eventually(t, func() bool { return served.Load() > lost.Load() }, patience, time.Millisecond)
	}
	stop()
	callers.Wait()
	healed := time.Now()
	require.Eventually(t, func() bool {
		_, err := look.Call(t.Context(), c, "after")
		return err == nil
	}, patience, time.Millisecond)
	t.Logf("%d cuts; %d calls served, %d given up; well %s after the last", cuts, served.Load(), lost.Load(), time.Since(healed))
	require.Positive(t, lost.Load(), "no cut met a call: the hard case was not hit")
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, times := range s.calls {
		var i, n int
		if _, err := fmt.Sscanf(what, "%d-%d", &i, &n); err == nil && n%3 == 2 && times > 1 {
			t.Errorf("%s has no key and was done %d times", what, times)
		}
	}
}

// A process that is told to stop while it has no session waits for who is at work in
// it, as it does with one: the database is closed behind them. It does not wait until
// somebody can be told of the outcome.
func TestStopWithoutASessionWaitsForHandlers(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	wire := rabbittest.NewWire(t, url)
	here, there := rabbittest.New(t, url), rabbittest.New(t, wire.URL)
	begun, stopping, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var done atomic.Bool
	srv := port.NewServer("shop", port.WithSigner(rabbittest.Signer(t)))
	look.Handle(srv, func(_ context.Context, what string) (string, error) {
		close(begun)
		<-stopping
		select {
		case <-stopped: // too early
		case <-time.After(300 * time.Millisecond):
			done.Store(true)
		}
		return what, nil
	})
	there.Serve(srv, rabbit.Limits{})
	rabbittest.Run(t, here)
	stop := rabbittest.Run(t, there)
	c := client(t, here)
	ctx, cancel := context.WithCancel(t.Context())
	var caller sync.WaitGroup
	caller.Go(func() { _, _ = look.Call(ctx, c, "fig") }) // it hears nothing
	t.Cleanup(func() { cancel(); caller.Wait() })
	<-begun
	wire.Down()
	require.Eventually(t, func() bool {
		said, err := there.Health().Run(t.Context())
		return err == nil && strings.HasPrefix(said, rabbit.ErrNotConnected.Error()) && !strings.Contains(said, " to receive by") && !strings.Contains(said, " to send by") // of both connections
	}, patience, time.Millisecond)
	close(stopping)
	stop()
	close(stopped)
	require.True(t, done.Load(), "the handler was still at work")
}

// A broker that is away stops nobody who records events; they arrive when it is back.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	wire := rabbittest.NewWire(t, url)
	p, l := newPublisher(t, wire.URL), newListener(t, wire.URL)
	l.start(t, nil)
	work(t, p.bus, p.broker)
	p.record(t, "a", 1, 10)
	l.await(t, 10)
	wire.Down()
	for v := int64(11); v <= 200; v++ {
		p.record(t, "a", v, v)
	}
	wire.Up(t)
	l.await(t, 200)
	require.Equal(t, upTo(200), l.effects(t, "a"))
}

// Not parallel: it counts the goroutines of the process.
func TestGoroutinesComeBack(t *testing.T) { //nolint:paralleltest // see above
	url, s := testenv.RabbitMQ(t), newShop()
	before := goleak.IgnoreCurrent()
	t.Run("storm", func(t *testing.T) {
		wire := rabbittest.NewWire(t, url)
		b := rabbittest.New(t, wire.URL)
		b.Serve(s.server(t), rabbit.Limits{})
		p, l := newPublisher(t, wire.URL), newListener(t, wire.URL)
		l.start(t, nil)
		work(t, p.bus, p.broker)
		rabbittest.Run(t, b)
		c := client(t, b)
		for round := range int64(5) {
			p.record(t, "a", round+1, round+1)
			require.Eventually(t, func() bool { _, err := look.Call(t.Context(), c, "x"); return err == nil }, patience, time.Millisecond)
			wire.Cut(t)
		}
		l.await(t, 5)
	})
	var left error
	require.Eventually(t, func() bool { left = goleak.Find(before); return left == nil }, patience, 50*time.Millisecond, "%v", left)
}
