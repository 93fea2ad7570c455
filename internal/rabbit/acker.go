package rabbit

import (
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// gather is how long an acknowledgement may wait for others. A process that dies
// meanwhile leaves calls to be answered again that were answered.
const gather = 10 * time.Millisecond

// acker acknowledges deliveries of one channel from one goroutine, many at once:
// all that are done up to the first that is not. When that one takes long, the
// others do not wait for it for ever: once enough of them are done they are
// acknowledged one by one, so that the broker sends more. It also waits for more,
// a little: an acknowledgement costs the broker nearly as much as a call.
type acker struct {
	ch   *amqp.Channel
	most int // done out of order before they are told one by one

	mu     sync.Mutex
	open   []uint64        // delivered and not acknowledged, in order
	ready  map[uint64]bool // of them, those that are done
	closed bool

	timer *time.Timer // wakes
	wake  chan struct{}
	gone  chan struct{}
}

func newAcker(ch *amqp.Channel, most int) *acker {
	a := &acker{ch: ch, most: max(most, 1), ready: map[uint64]bool{}, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	a.timer = time.AfterFunc(time.Hour, a.raise)
	a.timer.Stop()
	go a.run()
	return a
}

// add notes a delivery. Tags come in order.
func (a *acker) add(tag uint64) {
	a.mu.Lock()
	a.open = append(a.open, tag)
	a.mu.Unlock()
}

// done says that a delivery can be acknowledged.
func (a *acker) done(tag uint64) {
	a.mu.Lock()
	a.ready[tag] = true
	n := len(a.ready)
	a.mu.Unlock()
	switch n {
	case 1:
		a.timer.Reset(gather)
	case a.most:
		a.raise()
	}
}

// now acknowledges a delivery before anything else is done with it. It is on its
// way to the broker when this returns.
func (a *acker) now(tag uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, found := slices.BinarySearch(a.open, tag); found {
		a.open = slices.Delete(a.open, at, at+1)
	}
	_ = a.ch.Ack(tag, false) // where the channel is gone it is delivered again, and known by its mark
}

func (a *acker) raise() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// close acknowledges what is left and ends the goroutine.
func (a *acker) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.raise()
	<-a.gone
}

func (a *acker) run() {
	defer close(a.gone)
	defer a.timer.Stop()
	for range a.wake {
		upTo, single, closed := a.collect()
		if upTo > 0 {
			_ = a.ch.Ack(upTo, true)
		}
		for _, tag := range single {
			_ = a.ch.Ack(tag, false)
		}
		if closed {
			return
		}
	}
}

// collect gives what to acknowledge: all up to one tag, and others singly.
func (a *acker) collect() (upTo uint64, single []uint64, closed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.open) && a.ready[a.open[n]] {
		upTo = a.open[n]
		delete(a.ready, upTo)
		n++
	}
	a.open = a.open[:copy(a.open, a.open[n:])]
	if len(a.ready) > 0 && !a.closed {
		a.timer.Reset(gather)
	}
	if len(a.ready) >= a.most || a.closed {
		a.open = slices.DeleteFunc(a.open, func(tag uint64) bool {
			if a.ready[tag] {
				single = append(single, tag)
				delete(a.ready, tag)
				return true
			}
			return false
		})
	}
	return upTo, single, a.closed
}
