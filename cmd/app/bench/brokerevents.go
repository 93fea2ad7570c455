package main

import "context"

// measureBrokerEvents puts RabbitMQ between the two modules. Beside ours are the bare
// transaction, the bare pipeline, and Watermill.
func measureBrokerEvents(ctx context.Context, b *bench) error {
	broker, dropHost, err := virtualHost(ctx)
	if err != nil || broker == "" || b.postgres == "" {
		return err
	}
	defer dropHost()
	return b.compare(ctx, "broker", b.carriers(ctx, broker), ratioAtLeast(0.7))
}
