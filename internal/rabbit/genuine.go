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
	if d.Exchange != EventsExchange {
		if d.UserId == b.user {
			return nil
		}
		return errors.New("it was put into the queue past the exchange " + EventsExchange)
	}
	if !published(d, e) {
		return fmt.Errorf("it came by the topic %q and says it is of topic %q, published by %s", d.RoutingKey, e.Topic, e.Source)
	}
	return nil
}

// published tells whether an event came by the topic that it names, which is one of
// its module.
func published(d *amqp.Delivery, e event.Envelope) bool {
	return d.Exchange == EventsExchange && d.RoutingKey == e.Topic && strings.HasPrefix(e.Topic, e.Source+".")
}
