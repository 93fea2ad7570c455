package event

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/internal/crashpoint"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
)

const (
	pollEvery = time.Second           // the net for rows of other processes
	busyPause = 50 * time.Millisecond // before asking again for lanes that others hold
	// A pass that carried many rests for as long as it took, at most gatherMost, so
	// that half as many passes of twice the size do the work. One that carried few
	// does not: its events would only be late.
	gatherFrom = 8
	gatherMost = 5 * time.Millisecond
	// Outbox.Gather waits where the pass before began less than this many times as
	// long ago.
	gatherWithin = 10
)

// relay sends what is in one outbox.
type relay struct {
	bus    *Bus
	outbox *Outbox
	most   int // lanes held at a time
}

func newRelay(b *Bus, o *Outbox) *relay {
	r := &relay{bus: b, outbox: o, most: lanes}
	if o.db.Dialect() == database.Postgres {
		r.most = lanes / 2 // leave some to the other instances
	}
	return r
}

// run passes whenever a commit wakes it, and each second.
func (r *relay) run(ctx context.Context) error {
	var pause backoff
	var began time.Time
	woken := false
	for ctx.Err() == nil {
		if woken {
			// Close behind the last pass more are to be expected soon.
			if o := r.outbox; o.gather > 0 && time.Since(began) < gatherWithin*o.gather {
				sleep(ctx, o.gather, nil)
			}
			drained(r.outbox.wake) // what was committed by now is in this pass
		}
		began = time.Now()
		again, err := r.pass(ctx, woken)
		woken = false
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.bus.log.WarnContext(ctx, "relay", "module", r.outbox.Module(), "error", err)
			pause.sleep(ctx)
		case again == busy:
			pause = 0
			sleep(ctx, busyPause, nil)
		case again == idle:
			pause = 0
			woken = sleep(ctx, pollEvery, r.outbox.wake)
		case again == flowing:
			pause = 0
			sleep(ctx, min(time.Since(began), gatherMost), nil)
			woken = drained(r.outbox.wake)
		default:
			pause = 0
		}
	}
	return nil
}

// outcome of a pass.
type outcome int

const (
	idle    outcome = iota // nothing left to send
	busy                   // others hold the lanes that have something to send
	flowing                // nothing left to send of many, and more is likely to come
	sent                   // and there may be more
)

// fairPass is how many batches a pass sends before it lets go of its lanes.
const fairPass = 16

// pass holds lanes until they are empty, or others had to wait long enough. Who was
// woken by a commit need not look first whether there is something.
func (r *relay) pass(ctx context.Context, woken bool) (outcome, error) {
	if !woken {
		if unsent, err := r.outbox.unsent(ctx); err != nil || !unsent {
			return idle, err
		}
	}
	r.bus.running.Add(1)
	defer r.bus.running.Add(-1)
	h, first, err := r.outbox.claim(ctx, id.V7(), r.most)
	if err != nil {
		return idle, err
	}
	if len(h.lanes) == 0 { // held by others, or sent by the pass before
		unsent, err := r.outbox.unsent(ctx)
		if unsent {
			return busy, err
		}
		return idle, err
	}
	carried, more, err := r.carry(ctx, &h, first)
	if err != nil {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		return sent, errors.Join(err, r.outbox.release(release, h))
	}
	switch {
	case more, len(h.lanes) == r.most:
		return sent, nil
	case carried >= gatherFrom:
		return flowing, nil
	}
	return idle, nil
}

// carry delivers one batch after the other. While one is on its way, the one before
// is marked as sent and the one after is read; none leaves before the last has
// arrived, so the order stays. It tells how many rows it carried, and whether it
// left some, to others or for the next pass.
func (r *relay) carry(ctx context.Context, h *hold, away batch) (carried int, more bool, err error) {
	var arrived batch
	for n := 1; len(away.rows) > 0 || len(arrived.rows) > 0; n++ {
		arrives := r.depart(ctx, *h, away.rows)
		next, err := r.outbox.settle(ctx, h, arrived, away, n < fairPass)
		if err = errors.Join(err, <-arrives); err != nil {
			return carried, false, err
		}
		carried += len(away.rows)
		more = more || away.more && (n >= fairPass || h.lost)
		arrived, away = away, next
	}
	return carried, more, nil
}

// depart delivers rows beside what its caller does, and tells when that is done.
func (r *relay) depart(ctx context.Context, h hold, rows []row) <-chan error {
	arrives := make(chan error, 1)
	if len(rows) == 0 {
		arrives <- nil
		return arrives
	}
	go func() {
		crashpoint.Hit(r.outbox.Module(), "before-deliver")
		err := r.deliver(ctx, h, rows)
		if err == nil {
			crashpoint.Hit(r.outbox.Module(), "delivered")
			r.bus.moves.Add(1)
		}
		arrives <- err
	}()
	return arrives
}

// deliver gives a batch to all sinks at once and waits for all of them.
func (r *relay) deliver(ctx context.Context, h hold, rows []row) error {
	envelopes := inOrder(rows, r.outbox.Module())
	stop := r.keepHold(ctx, h)
	defer stop()
	var group errgroup.Group
	var only []func() error
	for _, s := range r.bus.sinks {
		events, err := s.wants(ctx, envelopes)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			only = append(only, func() error { return s.Deliver(ctx, events) })
		}
	}
	if len(only) == 1 {
		return only[0]()
	}
	for _, deliver := range only {
		group.Go(deliver)
	}
	return group.Wait()
}

// wants gives the events for a sink. A consumer gets those too that only another version
// of it listens to: it takes note of them for that one.
func (s sink) wants(ctx context.Context, events []Envelope) ([]Envelope, error) {
	wanted := s.among(events, nil)
	c, ok := s.Sink.(*Consumer)
	if !ok || len(wanted) == len(events) {
		return wanted, nil
	}
	others, err := c.otherTopics(ctx)
	if err != nil || len(others) == 0 {
		return wanted, err
	}
	return s.among(events, others), nil
}

func (s sink) among(events []Envelope, others []string) []Envelope {
	if s.topics == nil {
		return events
	}
	var wanted []Envelope
	for _, e := range events {
		if s.topics[e.Topic] || slices.Contains(others, e.Topic) {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// inOrder sorts events by id, and those of one aggregate by version: two
// processes whose clocks differ can make ids in the wrong order.
func inOrder(rows []row, source string) []Envelope {
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.ID, b.ID) })
	places := map[key][]int{}
	events := make([]Envelope, len(rows))
	for i, r := range rows {
		events[i] = r.envelope(source)
		places[events[i].key()] = append(places[events[i].key()], i)
	}
	for _, at := range places {
		if len(at) < 2 {
			continue
		}
		same := make([]Envelope, len(at))
		for i, place := range at {
			same[i] = events[place]
		}
		slices.SortFunc(same, func(a, b Envelope) int { return cmp.Compare(a.Version, b.Version) })
		for i, place := range at {
			events[place] = same[i]
		}
	}
	return events
}

// keepHold renews the lease for as long as a delivery takes.
func (r *relay) keepHold(ctx context.Context, h hold) (stop func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(leaseRenew, func() {
		ticker := time.NewTicker(leaseRenew)
		defer ticker.Stop()
		for {
			if err := r.outbox.renew(ctx, h); err != nil && ctx.Err() == nil {
				r.bus.log.WarnContext(ctx, "renew lanes", "module", r.outbox.Module(), "error", err)
			}
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
	return func() {
		timer.Stop()
		close(done)
	}
}

// drained takes back a wake-up call, and tells whether there was one.
func drained(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	default:
		return false
	}
}

// backoff doubles from 100 ms to 10 s, with full jitter.
type backoff time.Duration

func (b *backoff) sleep(ctx context.Context) {
	*b = min(max(*b*2, backoff(100*time.Millisecond)), backoff(10*time.Second))
	sleep(ctx, time.Millisecond+rand.N(time.Duration(*b)), nil)
}

// sleep waits for d, a wake-up call or the end of ctx, and tells whether it was
// the wake-up call.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-wake:
		return true
	}
	return false
}
