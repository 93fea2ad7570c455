package rabbittest

import (
	"errors"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// User is somebody on a broker, who tries what may be forbidden.
type User struct{ conn *amqp.Connection }

// Login connects a user. It ends with the test.
func Login(t testing.TB, url string) *User {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &User{conn}
}

// May tells whether the broker lets the user do something; each attempt has a
// channel of its own, because a refusal costs it.
func (u *User) May(t testing.TB, do func(ch *amqp.Channel) error) bool {
	t.Helper()
	ch, err := u.conn.Channel()
	require.NoError(t, err)
	err = do(ch)
	if refused := (*amqp.Error)(nil); errors.As(err, &refused) && refused.Code == amqp.AccessRefused {
		return false
	}
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	return true
}

// MayConsume tries to take messages from a queue.
func (u *User) MayConsume(t testing.TB, queue string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error {
		if err := ch.Qos(1, 0, false); err != nil { // a stream asks for it
			return err
		}
		_, err := ch.Consume(queue, "", false, false, false, false, nil)
		return err
	})
}

// MayGet tries to take one message.
func (u *User) MayGet(t testing.TB, queue string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error {
		_, _, err := ch.Get(queue, false)
		return err
	})
}

// MayDeclare tries to make a queue that is there, with its own arguments.
func (u *User) MayDeclare(t testing.TB, queue string, arguments map[string]any) bool {
	t.Helper()
	table := amqp.Table{}
	for k, v := range arguments {
		if n, number := v.(float64); number { // read from JSON
			v = int64(n)
		}
		table[k] = v
	}
	return u.May(t, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(queue, true, false, false, false, table)
		return err
	})
}

// MayPurge tries to throw away what is in a queue.
func (u *User) MayPurge(t testing.TB, queue string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error {
		_, err := ch.QueuePurge(queue, false)
		return err
	})
}

// MayDelete tries to delete a queue.
func (u *User) MayDelete(t testing.TB, queue string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	})
}

// MayBind tries to have a topic of an exchange delivered into a queue.
func (u *User) MayBind(t testing.TB, queue, topic, exchange string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error { return ch.QueueBind(queue, topic, exchange, false, nil) })
}

// MayDeleteExchange tries to delete an exchange.
func (u *User) MayDeleteExchange(t testing.TB, exchange string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error { return ch.ExchangeDelete(exchange, false, false) })
}

// MayPublish tries to publish a message in the name of a user; empty: of none. A
// refusal comes instead of the confirmation.
func (u *User) MayPublish(t testing.TB, exchange, key, user, id, body string) bool {
	t.Helper()
	return u.May(t, func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return err
		}
		closed := ch.NotifyClose(make(chan *amqp.Error, 1))
		done, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), exchange, key, false, false, amqp.Publishing{
			MessageId: id, UserId: user, DeliveryMode: amqp.Persistent, Body: []byte(body),
		})
		if err != nil {
			return err
		}
		select {
		case <-done.Done():
			if done.Acked() {
				return nil
			}
		case <-time.After(patience):
			return errors.New("the broker did not answer")
		}
		select {
		case err := <-closed:
			return err
		case <-time.After(patience):
			return errors.New("the broker did not answer")
		}
	})
}
