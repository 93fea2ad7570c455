package rabbit

import (
	"strconv"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// shards spread the callers who wait, so that they do not wait for each other.
const shards = 32

// waiting is who waits for which reply.
type waiting struct {
	next   atomic.Uint64
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	callers map[uint64]chan answer
}

// answer is what came of a call.
type answer struct {
	reply    amqp.Delivery
	returned bool // nobody has a queue for it
}

func newWaiting() *waiting {
	w := &waiting{}
	for i := range w.shards {
		w.shards[i].callers = map[uint64]chan answer{}
	}
	return w
}

// add registers a caller, who gets one answer at most.
func (w *waiting) add() (id uint64, got chan answer) {
	id, got = w.next.Add(1), make(chan answer, 1)
	s := &w.shards[id%shards]
	s.mu.Lock()
	s.callers[id] = got
	s.mu.Unlock()
	return id, got
}

// take gives the caller of an id, and forgets it; nil where nobody waits any more.
func (w *waiting) take(id uint64) chan answer {
	s := &w.shards[id%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.callers[id]
	delete(s.callers, id)
	return got
}

// resolve gives the answer to who waits for it. False: nobody does.
func (w *waiting) resolve(correlation string, a answer) bool {
	id, err := strconv.ParseUint(correlation, 36, 64)
	if err != nil {
		return false
	}
	got := w.take(id)
	if got == nil {
		return false
	}
	got <- a
	return true
}

func correlation(id uint64) string { return strconv.FormatUint(id, 36) }
