package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/health"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/run"
)

// openBroker prepares the ways to other processes, where the settings name a
// broker: one for all modules, or one for each where they have users of their own.
func (h *Host) openBroker() error {
	cfg := h.Config.AMQP
	if cfg.URL == "" {
		return nil
	}
	counters, err := rabbit.NewMetrics(h.Metrics)
	if err != nil {
		return fmt.Errorf("register the metrics of RabbitMQ: %w", err)
	}
	h.dial = func(url, process string) (*rabbit.Broker, error) {
		return rabbit.New(rabbit.Config{
			URL: url, CAFile: cfg.CAFile, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, Process: process,
			Log: h.Log, Metrics: counters,
		})
	}
	if h.Broker, err = h.dial(cfg.URL, ""); err != nil {
		return fmt.Errorf("amqp.url: %w", err)
	}
	if cfg.Users != "" {
		if h.users, err = BrokerUsers(h.Config); err != nil {
			return err
		}
		h.brokers = map[string]*rabbit.Broker{}
	}
	return nil
}

const usersFile = "amqp.users_file"

// BrokerUsers reads the users of the broker, where modules have their own; nil: they have
// none. The error is *config.Error, and tells of each of these modules that has no line.
func BrokerUsers(cfg config.Config, modules ...string) (rabbit.Users, error) {
	path := cfg.AMQP.Users
	if path == "" {
		return nil, nil
	}
	users, err := rabbit.ReadUsers(path)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{
			cfg.Problem(usersFile, "%v; it must be a file that this process can read, with a line name:password for each module that runs here", err),
		}}
	}
	var wrong config.Error
	for _, m := range modules {
		if _, found := users[m]; !found {
			wrong.Problems = append(wrong.Problems, noUser(cfg, m))
		}
	}
	if wrong.Problems != nil {
		return nil, &wrong
	}
	return users, nil
}

func noUser(cfg config.Config, module string) config.Problem {
	return cfg.Problem(usersFile, "%s has no line for %s, which runs here; write %s:PASSWORD, and make the broker know that user: app topology users %s",
		cfg.AMQP.Users, module, module, cfg.AMQP.Users)
}

// unusableFor keeps that a module has no user, once however often it asks for its way.
func (h *Host) unusableFor(module string) {
	var wrong *config.Error
	if !errors.As(h.unusable, &wrong) {
		wrong = &config.Error{}
		h.unusable = errors.Join(h.unusable, wrong)
	}
	if p := noUser(h.Config, module); !slices.Contains(wrong.Problems, p) {
		wrong.Problems = append(wrong.Problems, p)
	}
}

// BrokerOf is the way of a module of this process to the broker: its own, where
// modules have users. That a module has none is told by Finish.
func (h *Host) BrokerOf(module string) *rabbit.Broker {
	if h.users == nil {
		return h.Broker
	}
	if b := h.brokers[module]; b != nil {
		return b
	}
	if _, found := h.users[module]; !found {
		h.unusableFor(module)
		return h.Broker
	}
	var b *rabbit.Broker
	url, err := h.users.URL(h.Config.AMQP.URL, module)
	if err == nil {
		b, err = h.dial(url, "banyan "+module)
	}
	if err != nil {
		h.unusable = errors.Join(h.unusable, fmt.Errorf("%s: %w", usersFile, err))
		return h.Broker
	}
	h.brokers[module] = b
	return b
}

// own gives the modules that have users of their own, in a fixed order.
func (h *Host) own() []string { return slices.Sorted(maps.Keys(h.brokers)) }

// openWithout is how long a start waits for a broker that lets nobody in.
const openWithout = 10 * time.Second

// brokerTasks are the connections of the process, then those of its modules. A broker
// that is away is waited for a while.
func (h *Host) brokerTasks() []run.Task {
	return patient(h.connections(), openWithout, func(ctx context.Context, why error) {
		h.Log.WarnContext(ctx, "opening without RabbitMQ: events wait in the outbox, and calls to other processes fail, until it can be reached; see amqp.url",
			"broker", h.Broker.Address(), "waited", openWithout, "error", why)
	})
}

func (h *Host) connections() []run.Task {
	tasks := h.Broker.Tasks()
	for _, module := range h.own() {
		for _, t := range h.brokers[module].Tasks() {
			t.Name += " of " + module
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// reached is ready when the broker has let in all connections of this process, however long
// that takes. It is the last task of a process that nobody reaches but by the broker.
func (h *Host) reached() run.Task {
	return run.Task{
		Name: "reached by rabbitmq",
		Ready: func(ctx context.Context) error {
			for _, t := range h.connections() {
				if err := t.Ready(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		Run: func(ctx context.Context) error { <-ctx.Done(); return nil },
	}
}

// patient makes the tasks count as ready when one of them has been waited for in vain for as
// long as limit says. It tells of that once, and the others are not waited for either.
// Whatever is ready in time shows that the broker is only slow.
func patient(tasks []run.Task, limit time.Duration, tell func(ctx context.Context, why error)) []run.Task {
	var until time.Time
	told := false
	for i, t := range tasks { // they are asked one after the other
		tasks[i].Ready = func(ctx context.Context) error {
			if until.IsZero() {
				until = time.Now().Add(limit)
			}
			limited, cancel := context.WithDeadline(ctx, until)
			defer cancel()
			err := t.Ready(limited)
			switch {
			case err == nil && !told:
				until = time.Time{} // the next one has time of its own
			case err == nil || ctx.Err() != nil || limited.Err() == nil:
				return err
			case !told:
				told = true
				tell(ctx, err)
			}
			return nil
		}
	}
	return tasks
}

// brokerHealth tells of the worst of them.
func (h *Host) brokerHealth() health.Check {
	check := h.Broker.Health()
	return health.Check{Name: check.Name, Run: func(ctx context.Context) (string, error) {
		said, err := check.Run(ctx)
		for _, module := range h.own() {
			if err != nil || said != rabbit.Connected {
				break
			}
			if said, err = h.brokers[module].Health().Run(ctx); said != rabbit.Connected {
				said = module + ": " + said
			}
		}
		return said, err
	}}
}

// toBroker takes the events of each module by the module's own way.
type toBroker struct{ host *Host }

func (t toBroker) Name() string     { return t.host.Broker.Sink().Name() }
func (t toBroker) Topics() []string { return nil }

// Deliver gets events of one module at a time. None leaves before the queues of all
// modules of this process were bound.
func (t toBroker) Deliver(ctx context.Context, events []event.Envelope) error {
	for _, b := range t.host.brokers {
		if err := b.Bound(ctx); err != nil {
			return err
		}
	}
	return t.host.BrokerOf(events[0].Source).Sink().Deliver(ctx, events)
}

// lettersToldOf bounds how many letters of a module the audit tells of.
const lettersToldOf = 100

// auditDeadLetters looks for what the broker has put aside for the modules of this process.
func (h *Host) auditDeadLetters(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	for _, module := range h.inboxes {
		letters, err := h.BrokerOf(module).DeadLetters(ctx, module, lettersToldOf)
		if err != nil {
			return examined, fmt.Errorf("read the dead letters of %s on the broker: %w", module, err)
		}
		examined += len(letters)
		for _, l := range letters {
			report("message "+l.ID+" for "+module, fmt.Sprintf("%s; it waits in %s for a person: see app events dead list", l.Reason, rabbit.DeadQueue(module)))
		}
	}
	return examined, nil
}
