package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/port"
)

type handler func(ctx context.Context, m Meta, data json.RawMessage) error

// manyHandler gets all events of its type that one delivery brings.
type manyHandler func(ctx context.Context, events []Envelope) error

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
	// LookAgain is how long what is known of other versions that listen to more may be
	// out of date; 5 s unless set. Where the relays of this process deliver, and others may
	// run beside it.
	LookAgain time.Duration
	// Rebuild, if set, begins what the consumer is replayed into: all of it anew
	// where since is zero, else a repair of what it has with the events since then.
	Rebuild func(ctx context.Context, since time.Time) (Rebuilding, error)

	db       *database.DB
	now      clock.Clock
	handlers map[string][]handler     // by type
	many     map[string][]manyHandler // by type
	topics   []string
	wake     chan struct{} // raised where a pending event may have become due
	metrics  *metrics
	log      *slog.Logger
	carried  bool        // by a transport
	bus      *Bus        // that attends to it, where it is carried
	missed   atomic.Bool // an event came before its turn, although its log is at hand
	looked   key         // the last aggregate whose gap was looked at, by whoever attends

	putting sync.Mutex
	later   putOff

	looking  sync.Mutex
	others   []string // topics that only another version listens to
	othersAt time.Time

	beginning sync.Mutex
	awaited   map[key]awaiting // events that wait for an earlier one that the transport has kept

	claiming sync.Mutex
	failed   []claim // of attempts that came to nothing, to be given back
}

// NewConsumer makes the consumer of the module that owns db; its name is the module's.
func NewConsumer(db *database.DB, now clock.Clock) *Consumer {
	return &Consumer{
		MaxAttempts: 10, Deadline: 30 * time.Second, GapPatience: 5 * time.Second, LookAgain: 5 * time.Second,
		db: db, now: now, handlers: map[string][]handler{}, many: map[string][]manyHandler{}, wake: make(chan struct{}, 1),
		awaited: map[key]awaiting{}, log: slog.New(slog.DiscardHandler),
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
	c.listen(t.topic)
}

// Happened is an event as a handler of many gets it.
type Happened[T any] struct {
	Meta
	Data T
}

// OnMany is On for consumers that are quicker with many events at a time, such as
// read models: fn gets all events of type t that one delivery brings, those of one
// aggregate in their order, once the handlers of single events have run. Where it
// fails, the delivery is tried again event by event, so that only the culprits are
// kept back.
func OnMany[T any](c *Consumer, t *Type[T], fn func(ctx context.Context, events []Happened[T]) error) {
	c.many[t.name] = append(c.many[t.name], func(ctx context.Context, events []Envelope) error {
		list := make([]Happened[T], len(events))
		for i, e := range events {
			list[i].Meta = e.meta()
			if err := json.Unmarshal(e.Data, &list[i].Data); err != nil {
				return fmt.Errorf("read the payload of %s %s: %w", t.name, e.ID, err)
			}
		}
		return fn(ctx, list)
	})
	c.listen(t.topic)
}

func (c *Consumer) listen(topic string) {
	if !slices.Contains(c.topics, topic) {
		c.topics = append(c.topics, topic)
	}
}

// Name of the consumer: the module's.
func (c *Consumer) Name() string { return c.db.Module() }

// Topics that the consumer gets events of.
func (c *Consumer) Topics() []string { return slices.Clone(c.topics) }

// handle runs the handlers of e in the transaction that ctx carries.
func (c *Consumer) handle(ctx context.Context, e Envelope) error {
	handlers := c.handlers[e.Type]
	if len(handlers) == 0 {
		return nil
	}
	if e.TraceParent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.TraceParent})
	}
	return c.guarded(ctx, func(ctx context.Context) error { return runAll(ctx, handlers, e) })
}

// handleMany runs the handlers of many events, type by type, in the order in
// which the types come first.
func (c *Consumer) handleMany(ctx context.Context, events []Envelope) error {
	if len(c.many) == 0 {
		return nil
	}
	var types []string
	of := map[string][]Envelope{}
	for _, e := range events {
		if len(c.many[e.Type]) > 0 && of[e.Type] == nil {
			types = append(types, e.Type)
		}
		of[e.Type] = append(of[e.Type], e)
	}
	for _, name := range types {
		for _, h := range c.many[name] {
			if err := c.guarded(ctx, func(ctx context.Context) error { return h(ctx, of[name]) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// guarded runs fn within the consumer's deadline, as the shop itself. A panic is
// an error; what does not come back before the deadline is given up.
func (c *Consumer) guarded(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
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
		err = fn(ctx)
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
