package rabbit_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// What comes while a batch is being applied is applied together: the inbox's
// transaction and the acknowledgement are paid once for many events. The batches
// are counted by a handler of many, which is called once for each.
func TestEventsAreAppliedInBatches(t *testing.T) {
	t.Parallel()
	const events = 400
	url := testenv.RabbitMQ(t)
	p, l := newPublisher(t, url), newListener(t, url)
	var batches, applied atomic.Int64
	begun, held := make(chan struct{}), make(chan struct{})
	_, stop := l.start(t, func(c *event.Consumer) {
		c.Deadline = patience
		event.OnMany(c, happened, func(_ context.Context, many []event.Happened[counted]) error {
			if batches.Add(1) == 1 {
				close(begun)
				<-held
			}
			applied.Add(int64(len(many)))
			return nil
		})
	})
	work(t, p.bus, p.broker)
	p.record(t, "first", 1, 1)
	<-begun
	for n := range events / 4 {
		p.record(t, fmt.Sprint("thing ", n), 1, 4)
	}
	p.sent(t)
	close(held)
	l.await(t, events+1)
	stop()
	require.EqualValues(t, events+1, applied.Load())
	// 1, 256 and the rest; what was on its way in between may make a few more.
	require.LessOrEqual(t, batches.Load(), int64(8), "batches")
}
