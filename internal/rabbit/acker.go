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

// acker acknowledges the deliveries of a channel, many at once: all that are done
// up to the first that is not. When that one takes long, the others do not wait
// for it for ever: once enough of them are done they are acknowledged one by one,
// so that the broker sends more. It also waits for more, a little: an
// acknowledgement costs the broker nearly as much as a call.
//
// Nobody tells it what was delivered: a channel counts its deliveries from 1.
type acker struct {
	ch   *amqp.Channel
	most int // done and not told

	mu    sync.Mutex // who holds it acknowledges
	first uint64     // the lowest that is not done
	done  map[uint64]bool
	upTo  uint64 // all up to this one can be told at once; 0: there is none
	below int    // how many they are
	open  int    // done and not told, with those below
	timer *time.Timer
	armed bool
}

func newAcker(ch *amqp.Channel, most int) *acker {
	a := &acker{ch: ch, most: max(most, 1), first: 1, done: map[uint64]bool{}}
	a.timer = time.AfterFunc(time.Hour, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.armed = false
		a.tell(false)
	})
	a.timer.Stop()
	return a
}

// ready says that a delivery can be acknowledged.
func (a *acker) ready(tag uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pass(tag, false)
	a.open++
	if a.open >= a.most {
		a.tell(false)
	} else if !a.armed {
		a.armed = true
		a.timer.Reset(gather)
	}
}

// now acknowledges a delivery before anything else is done with it. It is on its
// way to the broker when this returns.
func (a *acker) now(tag uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.ch.Ack(tag, false) // where the channel is gone it is delivered again, and known by its mark
	a.pass(tag, true)
}

// pass notes that a delivery is done, and told or not.
func (a *acker) pass(tag uint64, told bool) {
	a.done[tag] = told
	for {
		told, done := a.done[a.first]
		if !done {
			return
		}
		delete(a.done, a.first)
		if !told { // the broker must not hear twice of one that was told
			a.upTo = a.first
			a.below++
		}
		a.first++
	}
}

// tell acknowledges all up to a tag, and others one by one where they are many or
// all are wanted.
func (a *acker) tell(all bool) {
	if a.upTo > 0 {
		_ = a.ch.Ack(a.upTo, true)
		a.open -= a.below
		a.upTo, a.below = 0, 0
	}
	if a.open < a.most && !all {
		return
	}
	var single []uint64
	for tag, told := range a.done {
		if !told {
			single = append(single, tag)
		}
	}
	slices.Sort(single)
	for _, tag := range single {
		_ = a.ch.Ack(tag, false)
		a.done[tag] = true
		a.open--
	}
}

// close acknowledges what is left.
func (a *acker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer.Stop()
	a.tell(true)
}
