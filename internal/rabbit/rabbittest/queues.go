package rabbittest

import (
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// channel opens one, on a connection of its own.
func channel(t testing.TB, url string) (ch *amqp.Channel, hangUp func()) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	if ch, err = conn.Channel(); err != nil {
		_ = conn.Close()
	}
	require.NoError(t, err)
	return ch, func() { _ = conn.Close() }
}

// Lying counts, as the broker says, the messages of a queue that are in nobody's
// hands. A queue that is not there has none.
func Lying(t testing.TB, url, queue string) int {
	t.Helper()
	ch, hangUp := channel(t, url)
	defer hangUp()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	if refused := (*amqp.Error)(nil); errors.As(err, &refused) && refused.Code == amqp.NotFound {
		return 0
	}
	require.NoError(t, err)
	return q.Messages
}

// Reject takes the next message of a queue that nobody reads, and has the broker put it
// aside.
func Reject(t testing.TB, url, queue string) {
	t.Helper()
	ch, hangUp := channel(t, url)
	defer hangUp()
	require.NoError(t, ch.Qos(1, 0, false))
	messages, err := ch.ConsumeWithContext(t.Context(), queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	select {
	case d := <-messages:
		require.NoError(t, d.Reject(false))
	case <-time.After(patience):
		require.Fail(t, "no message came", queue)
	}
	require.NoError(t, ch.Close())
}
