package rabbit

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why nothing can be sent now.
var (
	ErrNotConnected = errors.New("there is no connection to RabbitMQ")
	ErrBlocked      = errors.New("RabbitMQ takes no messages now")
)

// gate is where senders meet a session: it is open while there is one and the
// broker takes messages.
type gate[S any] struct {
	mu      sync.Mutex
	session S
	there   bool
	blocked string        // why the broker takes nothing; empty: it does
	changed chan struct{} // closed at the next change
}

func newGate[S any]() *gate[S] { return &gate[S]{changed: make(chan struct{})} }

func (g *gate[S]) change(do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	do()
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate[S]) open(s S) { g.change(func() { g.session, g.there, g.blocked = s, true, "" }) }

func (g *gate[S]) shut() {
	g.change(func() {
		var none S
		g.session, g.there, g.blocked = none, false, ""
	})
}

// block says why the broker takes nothing; empty: it takes messages again.
func (g *gate[S]) block(reason string) { g.change(func() { g.blocked = reason }) }

// now gives the session, or why not.
func (g *gate[S]) now() (S, <-chan struct{}, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.there:
		return g.session, g.changed, ErrNotConnected
	case g.blocked != "":
		return g.session, g.changed, ErrBlocked
	}
	return g.session, nil, nil
}

// pass waits for an open gate until ctx ends, and no longer than patience where
// that is not zero. Errors: ErrNotConnected, ErrBlocked, what ended ctx.
func (g *gate[S]) pass(ctx context.Context, patience time.Duration) (S, error) {
	s, changed, err := g.now()
	if err == nil {
		return s, nil
	}
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-changed:
		case <-over:
			return s, err
		case <-ctx.Done():
			return s, errors.Join(ctx.Err(), err)
		}
		if s, changed, err = g.now(); err == nil {
			return s, nil
		}
	}
}
