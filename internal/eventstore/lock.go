package eventstore

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// queues let the writers of one stream in this process go one after the other,
// in the order in which they came: a hot stream would otherwise spend its time on
// conflicts. Other processes are met by the version alone.
type queues struct {
	mu   sync.Mutex
	open map[string]*queue
}

type queue struct {
	turn *semaphore.Weighted
	here int // who waits or is at work
}

// enter waits for the turn of a stream; the caller must call leave.
func (q *queues) enter(ctx context.Context, stream string) (leave func(), err error) {
	q.mu.Lock()
	if q.open == nil {
		q.open = map[string]*queue{}
	}
	line := q.open[stream]
	if line == nil {
		line = &queue{turn: semaphore.NewWeighted(1)}
		q.open[stream] = line
	}
	line.here++
	q.mu.Unlock()
	err = line.turn.Acquire(ctx, 1)
	leave = func() {
		if err == nil {
			line.turn.Release(1)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if line.here--; line.here == 0 {
			delete(q.open, stream)
		}
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}
