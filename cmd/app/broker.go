package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/run"
)

// callsAtATime is how many calls of this process to one module may be under way.
const callsAtATime = 256

// openBroker prepares the way to other processes, where the settings name a broker.
func (s *shop) openBroker() error {
	if s.cfg.AMQP.URL == "" {
		return nil
	}
	counters, err := rabbit.NewMetrics(s.metrics)
	if err != nil {
		return fmt.Errorf("register the metrics of RabbitMQ: %w", err)
	}
	s.broker, err = rabbit.New(rabbit.Config{
		URL: s.cfg.AMQP.URL, CAFile: s.cfg.AMQP.CAFile, CertFile: s.cfg.AMQP.CertFile, KeyFile: s.cfg.AMQP.KeyFile,
		Log: s.log, Metrics: counters,
	})
	return err
}

// over gives the way of calls that leave this process.
func (s *shop) over(module string) (port.Transport, error) {
	guard, err := resilience.NewGuard(resilience.GuardConfig{
		Name: "calls." + module, Places: callsAtATime, Log: s.log, Metrics: s.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("guard the calls to %s: %w", module, err)
	}
	return resilience.Transport(s.broker.To(module), guard), nil
}

// publish adds the events of a module. With a broker they go there, also those
// for modules of this process: one way for all, so that each comes once.
func (s *shop) publish(o *event.Outbox) {
	s.bus.Source(o)
	if s.broker != nil {
		s.broker.Publish(rabbit.Source{Module: o.Module(), Retention: s.cfg.Events.Retention})
	}
}

func (s *shop) subscribe(c *event.Consumer) {
	if s.broker == nil {
		s.bus.Subscribe(c)
		return
	}
	s.bus.Attend(c)
	s.broker.Consume(c)
}

// finish orders the tasks: first the broker, whose queues are bound before anything
// else begins, then the calls that leave us, then events, then the modules' own.
func (s *shop) finish(leaving []func()) {
	s.bus.Retention(s.cfg.Events.Retention)
	s.checks = append(s.checks, s.bus.Checks()...)
	tasks := s.bus.Tasks()
	if s.broker != nil {
		s.bus.Sink(s.broker.Sink())
		tasks = append(append(s.broker.Tasks(), routing(leaving)), tasks...)
		if !s.serves && slices.ContainsFunc(moduleNames(), func(m string) bool { return !s.cfg.Runs(m) }) {
			s.dial()
		}
	}
	s.tasks = append(tasks, s.tasks...)
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

// dial lets a command, which runs no tasks, call modules that are not here.
func (s *shop) dial() {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = s.broker.Call(ctx) // it ends without an error
	}()
	s.hangUp = func() { cancel(); <-over }
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
