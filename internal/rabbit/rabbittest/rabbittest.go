// Package rabbittest gives tests brokers that run.
package rabbittest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/testenv"
)

const patience = 90 * time.Second

// New makes a broker at an address (testenv.RabbitMQ), one end of a wire.
func New(t testing.TB, url string) *rabbit.Broker {
	t.Helper()
	b, err := rabbit.New(rabbit.Config{URL: url, Process: t.Name(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	require.NoError(t, err)
	return b
}

// Run runs the tasks of brokers until the test ends, or stop is called, and waits
// until they are ready.
func Run(t testing.TB, brokers ...*rabbit.Broker) (stop func()) {
	t.Helper()
	var g run.Group
	for _, b := range brokers {
		g.Add(b.Tasks()...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	up, over := make(chan struct{}), make(chan error, 1)
	g.Ready = func() { close(up) }
	go func() { over <- g.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("the broker's tasks: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-up:
	case err := <-over:
		over <- err
		require.NoError(t, err)
	case <-time.After(patience):
		require.Fail(t, "RabbitMQ was not ready in time")
	}
	return stop
}

// Signer is what both ends of a test's wire sign with.
func Signer(t testing.TB) port.Signer {
	t.Helper()
	s, err := port.NewHMACSigner([]byte("the key of a test, known to both its ends"))
	require.NoError(t, err)
	return s
}

// Conn gives a conn whose calls go to what register serves, over a virtual host of
// this test and between two brokers, as between two processes.
func Conn(t testing.TB, register func(*port.Server)) *port.Conn {
	t.Helper()
	conn, way := ends(t, rabbit.Limits{}, register)
	conn.Remote(way)
	return conn
}

// Narrow is Conn with limits at the answering end, and a guard with as many places at
// the calling end, as a process has one (host.Over).
func Narrow(t testing.TB, limits rabbit.Limits, register func(*port.Server)) *port.Conn {
	t.Helper()
	conn, way := ends(t, limits, register)
	guard, err := resilience.NewGuard(resilience.GuardConfig{Name: "calls", Places: uint(limits.Places)})
	require.NoError(t, err)
	conn.Remote(resilience.Transport(way, guard))
	return conn
}

// ends gives a conn and the way to what register serves.
func ends(t testing.TB, limits rabbit.Limits, register func(*port.Server)) (*port.Conn, port.Transport) {
	t.Helper()
	url := testenv.RabbitMQ(t)
	signer := Signer(t)
	server := port.NewServer("", port.WithSigner(signer))
	register(server)
	there, here := New(t, url), New(t, url)
	there.Serve(server, limits)
	Run(t, there, here)
	return port.NewConn(server.Module(), port.WithSigner(signer)), here.To(server.Module())
}

// Publish puts a message of whatever kind into the events' exchange.
func Publish(t testing.TB, url, topic, id, body string) {
	t.Helper()
	ch, hangUp := channel(t, url)
	defer hangUp()
	require.NoError(t, ch.Confirm(false))
	done, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), rabbit.EventsExchange, topic, true, false,
		amqp.Publishing{MessageId: id, DeliveryMode: amqp.Persistent, Body: []byte(body)})
	require.NoError(t, err)
	require.True(t, done.Wait())
}
