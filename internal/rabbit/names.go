package rabbit

// What things are called on the broker.
const (
	// EventsExchange is the topic exchange that every event is published to, with
	// its topic as the routing key.
	EventsExchange = "events"

	replyTo = "amq.rabbitmq.reply-to" // direct reply-to: no queue, no declaration
)

// CallQueue is where calls to a module wait.
func CallQueue(module string) string { return "rpc." + module }

// EventQueue is where events for a module wait.
func EventQueue(module string) string { return "events." + module }

// DeadQueue is where events end that a module's process could not take over.
func DeadQueue(module string) string { return "dead." + module }

// LogQueue is the stream of all that a module published.
func LogQueue(module string) string { return "log." + module }
