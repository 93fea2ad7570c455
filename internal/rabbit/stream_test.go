package rabbit_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// The history of a module is a stream that any AMQP client can read.
func TestStreamIsReadByAnybody(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	p := newPublisher(t, url)
	work(t, p.bus, p.broker)
	p.record(t, "a", 1, 3)
	p.sent(t)

	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Qos(100, 0, false)) // a stream asks for it
	messages, err := ch.Consume("log.shop", "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	require.NoError(t, err)
	for n := range 3 {
		m := <-messages
		require.NoError(t, m.Ack(false))
		require.Equal(t, "application/cloudevents+json", m.ContentType)
		require.Equal(t, "shop.happened", m.Type)
		require.Equal(t, "shop", m.AppId)
		var e struct {
			ID, Subject string
			Version     int64 `json:"aggregateversion"`
			Data        struct{ N int }
		}
		require.NoError(t, json.Unmarshal(m.Body, &e))
		require.Equal(t, m.MessageId, e.ID)
		require.Equal(t, "a", e.Subject)
		require.EqualValues(t, n+1, e.Version)
		require.Equal(t, n+1, e.Data.N)
	}
}

// The setting for how long streams reach back is changed: the stream that is there
// keeps its age, the publisher says so once, and goes on.
func TestRetentionOfAStreamThatIsThere(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	wire := rabbittest.NewWire(t, url)
	p := newPublisher(t, wire.URL)
	stop := work(t, p.bus, p.broker)
	p.record(t, "a", 1, 3)
	p.sent(t)
	stop()

	var said lines
	b, err := rabbit.New(rabbit.Config{URL: wire.URL, Log: slog.New(slog.NewTextHandler(&said, nil))})
	require.NoError(t, err)
	b.Publish(rabbit.Source{Module: "shop", Retention: 40 * 24 * time.Hour})
	p.broker, p.bus = b, newBus(t)
	p.bus.Source(p.outbox)
	p.bus.Sink(b.Sink())
	work(t, p.bus, p.broker)
	p.record(t, "a", 4, 4)
	p.sent(t)
	wire.Cut(t) // another session does not say it again
	p.record(t, "a", 5, 5)
	p.sent(t)
	require.Equal(t, 1, strings.Count(said.String(), "keeps its former age"), said.String())
	require.Contains(t, said.String(), "log.shop")
	require.Contains(t, said.String(), "40D")
	l := newListener(t, url)
	l.start(t, nil)
	l.await(t, 5)
}
