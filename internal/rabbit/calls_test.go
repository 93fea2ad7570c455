package rabbit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/testenv"
)

const patience = 90 * time.Second

var (
	look = port.Query[string, string]("shop.look", port.Deadline(patience))
	buy  = port.Command[string, string]("shop.buy", port.Deadline(patience), port.Key(func(s string) string { return s }))
	stay = port.Query[string, string]("shop.stay", port.Deadline(patience), port.Waits(func(string) bool { return true }))
	wave = port.Command[string, string]("shop.wave", port.Deadline(patience)) // without a key
)

// shop counts what it is asked for.
type shop struct {
	mu    sync.Mutex
	calls map[string]int
	block chan struct{} // "wait" waits for it
	at    chan string   // who waits says so
	most  atomic.Int64
	now   atomic.Int64
}

func newShop() *shop {
	return &shop{calls: map[string]int{}, block: make(chan struct{}), at: make(chan string, 1000)}
}

func (s *shop) handle(ctx context.Context, what string) (string, error) {
	s.mu.Lock()
	s.calls[what]++
	s.mu.Unlock()
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	if len(what) >= 4 && what[:4] == "wait" {
		s.at <- what
		select {
		case <-s.block:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return what + " for " + port.PrincipalFrom(ctx).Subject, nil
}

func (s *shop) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[what]
}

func (s *shop) serve(srv *port.Server) {
	look.Handle(srv, s.handle)
	buy.Handle(srv, s.handle)
	wave.Handle(srv, s.handle)
}

// server makes a server of the shop that believes the tests' signer.
func (s *shop) server(t *testing.T) *port.Server {
	srv := port.NewServer("shop", port.WithSigner(rabbittest.Signer(t)))
	s.serve(srv)
	return srv
}

func client(t *testing.T, b *rabbit.Broker) *port.Conn {
	c := port.NewConn("shop", port.WithSigner(rabbittest.Signer(t)))
	c.Remote(b.To("shop"))
	return c
}

func TestNobodyThereIsKnownAtOnce(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t, testenv.RabbitMQ(t))
	rabbittest.Run(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := look.Call(ctx, client(t, b), "x")
	require.ErrorIs(t, err, fault.Unavailable)
	require.ErrorContains(t, err, "shop does not run")
	require.NoError(t, ctx.Err(), "it was told by a time-out")
}

func TestNoBrokerIsKnownSoon(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t, "amqp://nobody:nothing@127.0.0.1:1/") // its tasks do not even run
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := look.Call(ctx, client(t, b), "x")
	require.ErrorIs(t, err, fault.Unavailable)
	require.ErrorIs(t, err, rabbit.ErrNotConnected)
	require.NoError(t, ctx.Err())
}

// Whoever waits for a broker in vain is told why.
func TestWhyThereIsNoSession(t *testing.T) {
	t.Parallel()
	b := rabbittest.New(t, "amqp://nobody:nothing@127.0.0.1:1/")
	ctx, stop := context.WithCancel(t.Context())
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer stop()
	out := b.Tasks()[0]
	sessions.Go(func() { _ = out.Run(ctx) })
	var err error
	require.Eventually(t, func() bool {
		limited, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		err = out.Ready(limited)
		require.ErrorIs(t, err, rabbit.ErrNotConnected)
		return strings.Contains(err.Error(), "connection refused")
	}, patience, time.Millisecond)
	require.NotContains(t, err.Error(), "nothing")
}

func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	b := rabbittest.New(t, url)
	b.Serve(s.server(t), rabbit.Limits{Places: 3, Prefetch: 5})
	rabbittest.Run(t, b)
	c := client(t, b)
	var callers sync.WaitGroup
	for i := range 40 {
		callers.Go(func() {
			if _, err := look.Call(t.Context(), c, fmt.Sprint("wait", i)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-s.at
	}
	close(s.block)
	callers.Wait()
	require.EqualValues(t, 3, s.most.Load())
}

// What a process cannot do soon it leaves in the queue, for others: where no call waits
// for others, all but Prefetch and one a place.
func TestWhatCannotBeDoneIsLeftToOthers(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	there, here := rabbittest.New(t, url), rabbittest.New(t, url)
	there.Serve(s.server(t), rabbit.Limits{Places: 1, Prefetch: 3})
	rabbittest.Run(t, there, here)
	c := client(t, here)
	var callers sync.WaitGroup
	defer callers.Wait()
	defer close(s.block)
	for i := range 10 {
		callers.Go(func() {
			if _, err := look.Call(t.Context(), c, fmt.Sprint("wait", i)); err != nil {
				t.Error(err)
			}
		})
	}
	<-s.at
	require.Eventually(t, func() bool { return rabbittest.Lying(t, url, rabbit.CallQueue("shop")) == 10-(3+1) }, patience, 5*time.Millisecond)
}

// Whoever only waits for others gives its place to the next call. One for whom there is no
// room to wait is told so, and answers without: the places are for work.
func TestToWaitIsNoWork(t *testing.T) {
	t.Parallel()
	resting, open := make(chan string), make(chan struct{})
	conn := rabbittest.Narrow(t, rabbit.Limits{Places: 1, Prefetch: 10, Resting: 2}, func(s *port.Server) {
		stay.Handle(s, func(ctx context.Context, what string) (string, error) {
			if !resilience.Rest(ctx) {
				return "no room", nil
			}
			resting <- what
			<-open
			return what, nil
		})
		look.Handle(s, func(_ context.Context, what string) (string, error) { return what, nil })
	})
	soon := func(n int) {
		for range n {
			said, err := look.Call(t.Context(), conn, "soon")
			require.NoError(t, err)
			require.Equal(t, "soon", said)
		}
	}
	var callers sync.WaitGroup
	defer callers.Wait()
	release := sync.OnceFunc(func() { close(open) })
	defer release()
	for range 2 {
		callers.Go(func() {
			if said, err := stay.Call(t.Context(), conn, "later"); err != nil || said != "later" {
				t.Error(said, err)
			}
		})
		<-resting
		soon(3)
	}
	for range 3 { // too many
		said, err := stay.Call(t.Context(), conn, "later")
		require.NoError(t, err)
		require.Equal(t, "no room", said)
	}
	soon(3)
	release()
	callers.Wait()
	soon(10) // all places are there again
}

func TestExpiredWorkIsDroppedUnopened(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	b := rabbittest.New(t, url)
	b.Serve(s.server(t), rabbit.Limits{Places: 1, Prefetch: 2})
	rabbittest.Run(t, b)
	c := client(t, b)
	first := make(chan error, 1)
	go func() {
		_, err := look.Call(t.Context(), c, "wait")
		first <- err
	}()
	<-s.at // the only place is taken
	var late sync.WaitGroup
	for i := range 10 { // some are in this process's hands, some wait at the broker
		late.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if _, err := look.Call(ctx, c, fmt.Sprint("late", i)); err == nil {
				t.Error("a call was answered that could not be")
			}
		})
	}
	late.Wait()
	close(s.block)
	require.NoError(t, <-first)
	_, err := look.Call(t.Context(), c, "after")
	require.NoError(t, err)
	for i := range 10 {
		require.Zero(t, s.count(fmt.Sprint("late", i)), "call %d was opened although nobody waited", i)
	}
}

func TestPrincipalIsVerifiedByTheServer(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	b := rabbittest.New(t, url)
	b.Serve(s.server(t), rabbit.Limits{})
	rabbittest.Run(t, b)
	ctx := port.WithPrincipal(t.Context(), port.Principal{Subject: "alice"})
	said, err := look.Call(ctx, client(t, b), "tea")
	require.NoError(t, err)
	require.Equal(t, "tea for alice", said)

	forger, err := port.NewHMACSigner([]byte("a key that the shop's server does not know"))
	require.NoError(t, err)
	c := port.NewConn("shop", port.WithSigner(forger))
	c.Remote(b.To("shop"))
	_, err = look.Call(ctx, c, "gold")
	require.ErrorIs(t, err, fault.Unauthenticated)

	// A message that somebody with access to the broker made up, without any principal.
	reply, err := b.To("shop").RoundTrip(ctx, port.Message{
		Method: "shop.look", Header: map[string]string{port.HeaderKind: "query", port.HeaderVersion: "1"}, Body: []byte(`"gold"`),
	})
	require.NoError(t, err)
	require.Equal(t, fault.Unauthenticated.Name(), reply.Header[port.HeaderFault])
	require.Zero(t, s.count("gold"))
}

// A process that dies with a call in its hands leaves it to another, if it may be
// repeated; else its caller is told that nobody knows.
func TestCallsOfTheDead(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	// The dying process takes three calls and says nothing.
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDeclare(rabbit.CallQueue("shop"), true, false, false, false, amqp.Table{"x-queue-type": "classic", "x-expires": int64(10_000)})
	require.NoError(t, err)
	require.NoError(t, ch.Qos(10, 0, false))
	taken, err := ch.Consume(rabbit.CallQueue("shop"), "", false, false, false, false, nil)
	require.NoError(t, err)

	here := rabbittest.New(t, url)
	rabbittest.Run(t, here)
	c := client(t, here)
	answers := make(chan error, 3)
	for _, call := range []func() error{
		func() error { _, err := look.Call(t.Context(), c, "seen"); return err },
		func() error { _, err := buy.Call(t.Context(), c, "bought"); return err },
		func() error { _, err := wave.Call(t.Context(), c, "waved"); return err },
	} {
		go func() { answers <- call() }()
		<-taken
	}
	there := rabbittest.New(t, url)
	there.Serve(s.server(t), rabbit.Limits{})
	rabbittest.Run(t, there)
	require.NoError(t, conn.Close())
	var unknown []error
	for range 3 {
		if err := <-answers; err != nil {
			unknown = append(unknown, err)
		}
	}
	require.Len(t, unknown, 1)
	require.ErrorIs(t, unknown[0], fault.Unavailable)
	require.ErrorContains(t, unknown[0], "it may have done what was asked")
	require.Equal(t, []int{1, 1, 0}, []int{s.count("seen"), s.count("bought"), s.count("waved")})
}

func TestStopFinishesWhatWasBegun(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	there, here := rabbittest.New(t, url), rabbittest.New(t, url)
	there.Serve(s.server(t), rabbit.Limits{})
	rabbittest.Run(t, here)
	stop := rabbittest.Run(t, there)
	c := client(t, here)
	answers := make(chan error, 20)
	for i := range 20 {
		go func() { _, err := buy.Call(t.Context(), c, fmt.Sprint("wait", i)); answers <- err }()
	}
	for range 20 {
		<-s.at
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(s.block)
	for range 20 {
		require.NoError(t, <-answers)
	}
	<-stopped
}

// The server comes after its clients, and goes and comes again.
func TestAnyOrderOfStart(t *testing.T) {
	t.Parallel()
	url, s := testenv.RabbitMQ(t), newShop()
	here := rabbittest.New(t, url)
	rabbittest.Run(t, here)
	c := client(t, here)
	_, err := look.Call(t.Context(), c, "early")
	require.ErrorIs(t, err, fault.Unavailable)
	for n := range 3 {
		there := rabbittest.New(t, url)
		there.Serve(s.server(t), rabbit.Limits{})
		stop := rabbittest.Run(t, there)
		_, err := look.Call(t.Context(), c, fmt.Sprint("round", n))
		require.NoError(t, err)
		stop()
	}
}
