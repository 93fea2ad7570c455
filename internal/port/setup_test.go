package port_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// A small module: a tally that can be raised and read.

var full = fault.Define("tally.full", fault.KindConflict)

type raiseRequest struct {
	Name  string            `json:"name"`
	By    int64             `json:"by"`
	Tags  []string          `json:"tags"`
	Notes map[string]string `json:"notes"`
}

type tally struct {
	Name  string    `json:"name"`
	Value int64     `json:"value"`
	At    time.Time `json:"at"`
}

var (
	raise = port.Command[raiseRequest, tally]("tally.raise", port.Deadline(time.Second))
	once  = port.Command[raiseRequest, tally]("tally.once", port.Key(func(r raiseRequest) string { return r.Name }))
	read  = port.Query[string, tally]("tally.read", port.Deadline(time.Second))
	all   = port.Query[struct{}, []tally]("tally.all", port.Deadline(0))
)

// handlers answers the methods; nil ones are not registered.
type handlers struct {
	raise, once func(context.Context, raiseRequest) (tally, error)
	read        func(context.Context, string) (tally, error)
	all         func(context.Context, struct{}) ([]tally, error)
}

func (h handlers) register(s *port.Server) {
	if h.raise != nil {
		raise.Handle(s, h.raise)
	}
	if h.once != nil {
		once.Handle(s, h.once)
	}
	if h.read != nil {
		read.Handle(s, h.read)
	}
	if h.all != nil {
		all.Handle(s, h.all)
	}
}

// direct and loopback give a conn to the handlers, by each way.
func direct(h handlers, opts ...port.ConnOption) *port.Conn {
	s, c := port.NewServer("tally"), port.NewConn("tally", opts...)
	h.register(s)
	c.Direct(s)
	return c
}

func loopback(h handlers, opts ...port.LoopbackOption) *port.Conn {
	s, c := port.NewServer("tally"), port.NewConn("tally")
	h.register(s)
	c.Loopback(s, 1, opts...)
	return c
}

// bothWays runs the test directly and over plain loopback.
func bothWays(t *testing.T, h handlers, test func(t *testing.T, c *port.Conn)) {
	t.Helper()
	t.Run("direct", func(t *testing.T) { t.Parallel(); test(t, direct(h)) })
	t.Run("loopback", func(t *testing.T) { t.Parallel(); test(t, loopback(h)) })
}

// keyed remembers what it answered to each key, as a module's database would.
type keyed struct {
	mu      sync.Mutex
	answers map[port.IdempotencyKey]tally
	effects int
}

func (k *keyed) raise(ctx context.Context, r raiseRequest) (tally, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := port.IdempotencyKeyFrom(ctx)
	if got, ok := k.answers[key]; ok && !key.IsZero() {
		port.MarkReplayed(ctx)
		return got, nil
	}
	k.effects++
	if k.answers == nil {
		k.answers = map[port.IdempotencyKey]tally{}
	}
	k.answers[key] = tally{Name: r.Name, Value: int64(k.effects)}
	return k.answers[key], nil
}
