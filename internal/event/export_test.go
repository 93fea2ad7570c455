package event

import "context"

// PutOff makes a consumer put off what nobody handles without anybody attending to
// it: what a crash would take stays undone.
func (c *Consumer) PutOff() { c.putOffFrom(true) }

// PutOffMost is how many events wait at most.
const PutOffMost = putOffMost

// HeadsAtOnce is how many gaps are looked at in one go.
const HeadsAtOnce = headsAtOnce

// RetryDue makes one attempt at what is due.
func (c *Consumer) RetryDue(ctx context.Context) error {
	_, err := c.retryDue(ctx)
	return err
}

// Register notes that the consumer has seen all there was of topics.
func (c *Consumer) Register(ctx context.Context, topics []string) error {
	return c.register(ctx, topics, nil)
}
