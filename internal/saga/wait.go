package saga

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/resilience"
)

// waitPoll is how often Wait asks the table about a saga that another process runs.
const waitPoll = 250 * time.Millisecond

// Wait returns once the saga has ended or is parked, with its status; where ctx
// ends first, with ctx's error and the last known status. A saga that ends in this
// process while somebody waits is not looked up at all. Whoever waits does no work: its
// place (resilience.Rest) goes to the next. After Hurry, and where there is no room for one
// more who waits, it returns at once.
// Codes: NotFound.
func (e *Engine) Wait(ctx context.Context, id string) (Status, error) {
	if !resilience.Rest(ctx) {
		return e.status(ctx, id)
	}
	status := Running
	for {
		left, here := e.subscribe(id)
		if !here {
			var err error
			if status, err = e.status(ctx, id); err != nil || status.Over() {
				e.unsubscribe(id, left)
				return status, err
			}
		}
		// What runs here tells when it lets go; the timer is for what runs elsewhere.
		var poll <-chan time.Time
		var timer *time.Timer
		if !here {
			timer = time.NewTimer(waitPoll)
			poll = timer.C
		}
		var err error
		var over Status
		hurried := false
		select {
		case <-e.hurry:
			hurried = true
		case over = <-left:
		case <-poll:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if timer != nil {
			timer.Stop()
		}
		e.unsubscribe(id, left)
		if err != nil || hurried || over.Over() {
			return cmp.Or(over, status), err
		}
	}
}

// Hurry ends all waiting, because the process is about to stop: whoever waits
// tells what is known by now. The sagas go on. It may be called once.
func (e *Engine) Hurry() { close(e.hurry) }

func (e *Engine) status(ctx context.Context, id string) (Status, error) {
	r, err := e.read(ctx, e.db.Conn(ctx).Select("id", "status"), id)
	return r.Status, err
}

// subscribe gives a channel that is closed when this process lets go of the saga,
// after saying how it ended, if it did; and it tells whether this process has it now.
func (e *Engine) subscribe(id string) (left chan Status, here bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	left = make(chan Status, 1)
	e.waiters[id] = append(e.waiters[id], left)
	return left, e.active[id] != nil
}

func (e *Engine) unsubscribe(id string, left chan Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := slices.DeleteFunc(e.waiters[id], func(c chan Status) bool { return c == left })
	if len(rest) == 0 {
		delete(e.waiters, id)
	} else {
		e.waiters[id] = rest
	}
}

// Drain returns when every saga of the module has ended or is parked; for tests.
// It runs the engine where no Task does. With a clock that stands still it also
// returns when what is left only waits for a later time.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	running := e.ctx != nil
	e.mu.Unlock()
	if !running {
		own, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- e.run(own) }()
		defer func() {
			cancel()
			<-done // it ends because it was told to
		}()
	}
	for {
		before := e.now()
		e.poke()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if e.atWork() > 0 {
			continue
		}
		var rows []row
		err := e.db.Conn(ctx).Select("id", "next_at", "claimed_by").Where("status IN ?", []Status{Running, Compensating}).
			Order("next_at").Limit(1).Find(&rows).Error
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].ClaimedBy == "" && rows[0].NextAt.After(before) && e.now().Equal(before) {
			return nil
		}
	}
}
