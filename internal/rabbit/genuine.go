package rabbit

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/banyan-tree/banyan/internal/event"
)

// genuine tells why a message is not the event that it says it is. The broker sees
// to it that a user publishes nothing but topics of its own to EventsExchange. But
// who may call others may put a message into any queue, past that exchange; then it
// counts only where we put it there ourselves, which the broker has checked too.
func (b *Broker) genuine(d *amqp.Delivery, e event.Envelope) error {
	if d.Exchange != EventsExchange && d.UserId == b.user {
		return nil
	}
	return cameBy(d.Exchange, d.RoutingKey, e)
}

// cameBy tells why an event does not belong to the way by which it came: an exchange,
// and the topic that it names, which is one of its module.
func cameBy(exchange, topic string, e event.Envelope) error {
	if exchange != EventsExchange {
		return errors.New("it was put into the queue past the exchange " + EventsExchange)
	}
	if topic != e.Topic || !strings.HasPrefix(e.Topic, e.Source+".") {
		return fmt.Errorf("it came by the topic %q and says it is of topic %q, published by %s", topic, e.Topic, e.Source)
	}
	return nil
}

// published tells whether an event in a stream is what it says.
func published(d *amqp.Delivery, e event.Envelope) bool {
	return cameBy(d.Exchange, d.RoutingKey, e) == nil
}
