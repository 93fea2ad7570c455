package host

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/run"
)

// callsAtATime is how many calls of this process to one module may be under way, apart
// from those that only wait.
const callsAtATime = 256

// Conn makes the calling end of a module. It answers Unavailable until it is routed.
func (h *Host) Conn(module string) *port.Conn {
	return port.NewConn(module, h.telemetry(), port.WithSigner(h.signer))
}

// Server makes the answering end of a module.
func (h *Host) Server(module string) *port.Server {
	return port.NewServer(module, h.telemetry(), port.WithSigner(h.signer))
}

func (h *Host) telemetry() port.EndOption {
	return port.WithTelemetry(port.Telemetry{Registerer: h.Metrics, Tracer: h.Tracer, Logger: h.Log})
}

// Over gives the way of calls that leave this process.
func (h *Host) Over(module string) (port.Transport, error) {
	guard, err := resilience.NewGuard(resilience.GuardConfig{
		Name: "calls." + module, Places: callsAtATime, Log: h.Log, Metrics: h.Metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("guard the calls to %s: %w", module, err)
	}
	return resilience.Transport(h.Broker.To(module), guard), nil
}

// publish adds the events of a module. With a broker they go there, also those
// for modules of this process: one way for all, so that each comes once.
func (h *Host) publish(o *event.Outbox) {
	h.Bus.Source(o)
	if h.Broker != nil {
		h.BrokerOf(o.Module()).Publish(rabbit.Source{Module: o.Module(), Retention: h.Config.Events.Retention})
	}
}

func (h *Host) subscribe(c *event.Consumer) {
	if h.Broker == nil {
		h.Bus.Subscribe(c)
		return
	}
	h.Bus.Attend(c)
	h.BrokerOf(c.Name()).Consume(c)
	h.inboxes = append(h.inboxes, c.Name())
}

// routing sends calls over the broker once our own queues are bound: what a start
// does before that, it does here.
func routing(leaving []func()) run.Task {
	return run.Task{
		Name: "routing",
		Ready: func(context.Context) error {
			for _, route := range leaving {
				route()
			}
			return nil
		},
		Run: func(ctx context.Context) error { <-ctx.Done(); return nil },
	}
}

// Dial lets a command, which runs no tasks, call modules that are not here.
func (h *Host) Dial() {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = h.Broker.Call(ctx) // it ends without an error
	}()
	h.hangUp = func() { cancel(); <-over }
}

// newSigner vouches for principals that cross a wire. In one process a key of
// its own is enough.
func newSigner(shared string) (port.Signer, error) {
	if shared != "" {
		return port.NewHMACSigner([]byte(shared))
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return port.NewHMACSigner(key)
}
