package rabbit

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Queue is a queue as it is declared.
type Queue struct {
	Name      string         `json:"name"`
	Owner     string         `json:"owner"` // module whose process declares it
	For       string         `json:"for"`
	Arguments map[string]any `json:"arguments"`
	Bindings  []string       `json:"bindings,omitempty"` // topics of EventsExchange
}

// Topology is what one module needs on the broker.
type Topology struct {
	Exchange string  `json:"exchange,omitempty"` // topic exchange; empty: none
	Queues   []Queue `json:"queues"`
}

// unused is how long a queue of calls outlives the last process that answered
// from it. While it is there calls wait for a process to come back; when it is gone
// they are returned at once.
const unused = 10 * time.Second

// attemptsOfBroker is how often the broker delivers an event before it gives up.
// Attempts of handlers are counted by the inbox, which parks an event after 10;
// this one counts processes that died with the event in their hands, together
// with all its neighbours, so it must be far more than a bad hour has deaths.
const attemptsOfBroker = 1000

// looks is how often letters may be taken in hand and given back: whoever lists them
// does that. RabbitMQ 4 drops what comes back 20 times, unless a queue says otherwise.
const looks = 1_000_000

// callTopology is what a module that answers calls needs.
func callTopology(module string) Topology {
	return Topology{Queues: []Queue{{
		Name: CallQueue(module), Owner: module, For: "calls to " + module,
		Arguments: map[string]any{"x-queue-type": "classic", "x-expires": unused.Milliseconds()},
	}}}
}

// eventTopology is what a module that listens to events needs.
func eventTopology(module string, topics []string) Topology {
	return Topology{Exchange: EventsExchange, Queues: []Queue{
		{
			Name: DeadQueue(module), Owner: module, For: "events that " + module + " could not take over",
			Arguments: map[string]any{"x-queue-type": "quorum", "x-delivery-limit": int64(looks)},
		},
		{
			Name: EventQueue(module), Owner: module, For: "events for " + module,
			Arguments: map[string]any{
				"x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": int64(attemptsOfBroker),
				"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DeadQueue(module),
				"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
			},
			Bindings: topics,
		},
	}}
}

// logTopology is what a module that publishes events needs.
func logTopology(s Source) Topology {
	return Topology{Exchange: EventsExchange, Queues: []Queue{{
		Name: LogQueue(s.Module), Owner: s.Module, For: "all that " + s.Module + " published, as a stream",
		Arguments: map[string]any{"x-queue-type": "stream", "x-max-age": age(s.Retention)},
		Bindings:  []string{s.Module + ".#"},
	}}}
}

// age as RabbitMQ writes it, in whole days rounded up.
func age(d time.Duration) string {
	day := 24 * time.Hour
	return fmt.Sprintf("%dD", max((d+day-1)/day, 1))
}

// declare makes what is not there yet. What is there with other arguments is an
// error: nobody changes a queue that messages wait in.
func (s *session) declare(ch *amqp.Channel, t Topology) error {
	if err := s.useExchange(ch, t.Exchange); err != nil {
		return err
	}
	for _, q := range t.Queues {
		if err := q.declare(ch); err != nil {
			return err
		}
		if err := q.bind(ch, t.Exchange); err != nil {
			return err
		}
	}
	return nil
}

// adopt is declare for a stream. One that is there with other arguments, which nobody
// can change, is taken as it is: other then says which they are.
func (s *session) adopt(ch *amqp.Channel, t Topology) (other, err error) {
	if err := s.useExchange(ch, t.Exchange); err != nil {
		return nil, err
	}
	for _, q := range t.Queues {
		err := s.try(q.declare)
		if refused(err, amqp.PreconditionFailed) {
			other, err = err, nil
		}
		if err == nil {
			err = q.bind(ch, t.Exchange)
		}
		if err != nil {
			return nil, err
		}
	}
	return other, nil
}

// useExchange makes an exchange that is not there.
func (s *session) useExchange(ch *amqp.Channel, name string) error {
	if name == "" || s.exchange {
		return nil
	}
	// Asked first: who has a user of its own may use the exchange, not make it.
	there, err := s.hasExchange(name)
	if err == nil && !there {
		err = ch.ExchangeDeclare(name, amqp.ExchangeTopic, true, false, false, false, nil)
	}
	if err != nil {
		return fmt.Errorf("declare the exchange %s: %w", name, err)
	}
	s.exchange = true
	return nil
}

func (q Queue) declare(ch *amqp.Channel) error {
	if _, err := ch.QueueDeclare(q.Name, true, false, false, false, amqp.Table(q.Arguments)); err != nil {
		return fmt.Errorf("declare the queue %s: %w", q.Name, err)
	}
	return nil
}

func (q Queue) bind(ch *amqp.Channel, exchange string) error {
	for _, topic := range q.Bindings {
		if err := ch.QueueBind(q.Name, topic, exchange, false, nil); err != nil {
			return fmt.Errorf("bind the queue %s to %s: %w", q.Name, topic, err)
		}
	}
	return nil
}
