package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/port"
)

type handler func(ctx context.Context, m Meta, data json.RawMessage) error

// Consumer applies events of other modules for one module, with its inbox in
// that module's database. It gets all events of each topic of which it handles
// some type; the others only move its cursor. Set it up before it is subscribed.
type Consumer struct {
	// MaxAttempts is after how many failures an event is parked; 10 unless set.
	MaxAttempts int
	// Deadline of one handler; 30 s unless set.
	Deadline time.Duration
	// GapPatience is how long a missing event may take to come by itself before
	// the logs are searched for it; 5 s unless set.
	GapPatience time.Duration

	db       *database.DB
	now      clock.Clock
	handlers map[string][]handler // by type
	topics   []string
	wake     chan struct{} // raised where a pending event may have become due
	metrics  *metrics
	log      *slog.Logger
	carried  bool // by a transport
}

// NewConsumer makes the consumer of the module that owns db; its name is the module's.
func NewConsumer(db *database.DB, now clock.Clock) *Consumer {
	return &Consumer{
		MaxAttempts: 10, Deadline: 30 * time.Second, GapPatience: 5 * time.Second,
		db: db, now: now, handlers: map[string][]handler{}, wake: make(chan struct{}, 1),
		log: slog.New(slog.DiscardHandler),
	}
}

// On makes consumer c apply fn to every event of type t, in the consumer's own
// transaction, which ctx carries. fn must touch only the consumer's own data and
// call nothing outside; an error rolls its effects back and is retried later.
func On[T any](c *Consumer, t *Type[T], fn func(ctx context.Context, m Meta, data T) error) {
	c.handlers[t.name] = append(c.handlers[t.name], func(ctx context.Context, m Meta, raw json.RawMessage) error {
		var data T
		if err := json.Unmarshal(raw, &data); err != nil {
			return fmt.Errorf("read the payload of %s: %w", t.name, err)
		}
		return fn(ctx, m, data)
	})
	if !slices.Contains(c.topics, t.topic) {
		c.topics = append(c.topics, t.topic)
	}
}

// Name of the consumer: the module's.
func (c *Consumer) Name() string { return c.db.Module() }

// Topics that the consumer gets events of.
func (c *Consumer) Topics() []string { return slices.Clone(c.topics) }

// handle runs the handlers of e in the transaction that ctx carries. A panic is
// an error; one that does not come back before the deadline is given up.
func (c *Consumer) handle(ctx context.Context, e Envelope) error {
	handlers := c.handlers[e.Type]
	if len(handlers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	if e.TraceParent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.TraceParent})
	}
	ctx = port.WithPrincipal(ctx, port.System(c.Name()))
	done := make(chan error, 1)
	go func() {
		err := errors.New("the handler ended its goroutine instead of returning") // runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
			}
			done <- err
		}()
		err = runAll(ctx, handlers, e)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		// A handler that heeds its context ends now; wait a moment, so that it
		// does not write into a transaction that is being undone.
		select {
		case err := <-done:
			if err == nil {
				err = context.Cause(ctx)
			}
			return err
		case <-time.After(time.Second):
			return fmt.Errorf("the handler did not come back within %s: %w", c.Deadline, context.Cause(ctx))
		}
	}
}

func runAll(ctx context.Context, handlers []handler, e Envelope) error {
	for _, h := range handlers {
		if err := h(ctx, e.meta(), e.Data); err != nil {
			return err
		}
	}
	return nil
}
