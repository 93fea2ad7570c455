package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// StopTimeout is how long stopping may take in all unless Group.StopTimeout is set.
const StopTimeout = 25 * time.Second

// Group is the tasks of one process.
type Group struct {
	Log         *slog.Logger
	StopTimeout time.Duration // of all tasks together; 25 s unless set
	Ready       func()        // called once every task is ready; may be nil
	Draining    func()        // called before the first task is stopped; may be nil

	tasks []Task
}

// Add appends tasks; they start in this order and stop in the reverse.
func (g *Group) Add(tasks ...Task) { g.tasks = append(g.tasks, tasks...) }

type running struct {
	Task
	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done
	told   bool  // that it ended by itself
}

// Run starts every task, waits until ctx ends or a task does, and stops all in
// reverse order within one deadline. It returns what the first failed task
// returned, joined with what went wrong while stopping, also with tasks that ended
// by themselves meanwhile. A task that ends early without an error ends the process
// as well, as an error: nothing here is done before it is told to.
func (g *Group) Run(ctx context.Context) error {
	log := g.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ended := make(chan *running, len(g.tasks))
	started := make([]*running, 0, len(g.tasks))
	var first error
	for _, t := range g.tasks {
		r := start(ctx, t, ended)
		started = append(started, r)
		if first = r.awaitReady(ctx, ended); first != nil {
			break
		}
		log.Debug("started", "task", t.Name)
	}
	if first == nil && ctx.Err() == nil {
		if g.Ready != nil {
			g.Ready()
		}
		select {
		case <-ctx.Done():
		case r := <-ended:
			first = r.early()
		}
	}
	if errors.Is(first, errAsked) {
		first = nil
	}
	if first != nil {
		log.Error("a task ended, stopping", "error", first)
	} else {
		log.Info("stopping")
	}
	if g.Draining != nil {
		g.Draining()
	}
	return errors.Join(first, g.stop(log, started))
}

// errAsked ends starting when the stop was asked for before all was up.
var errAsked = errors.New("asked to stop")

func start(ctx context.Context, t Task, ended chan<- *running) *running {
	// Only stop ends a task, each in its turn; the values of ctx stay.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{Task: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			close(r.done)
			ended <- r
		}()
		r.err = t.Run(own)
	}()
	return r
}

func (r *running) awaitReady(ctx context.Context, ended <-chan *running) error {
	if r.Task.Ready == nil {
		return ctxAsked(ctx)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- r.Task.Ready(waiting) }()
	select {
	case err := <-ready:
		if ctx.Err() != nil {
			return errAsked
		}
		if err != nil {
			return fmt.Errorf("%s: wait until ready: %w", r.Name, err)
		}
		return nil
	case other := <-ended:
		return other.early()
	case <-ctx.Done():
		return errAsked
	}
}

func ctxAsked(ctx context.Context) error {
	if ctx.Err() != nil {
		return errAsked
	}
	return nil
}

// early is the error of a task that ended by itself.
func (r *running) early() error {
	r.told = true
	if r.err == nil {
		return fmt.Errorf("%s: ended before it was asked to", r.Name)
	}
	return fmt.Errorf("%s: %w", r.Name, r.err)
}

func (g *Group) stop(log *slog.Logger, started []*running) error {
	timeout := g.StopTimeout
	if timeout <= 0 {
		timeout = StopTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		over := isClosed(r.done)
		if r.Task.Stop != nil && !over {
			if err := r.Task.Stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: stop: %w", r.Name, err))
			}
		}
		r.cancel()
		select {
		case <-r.done:
			switch {
			case r.told: // it is why all are stopped
			case over:
				errs = append(errs, r.early())
			case r.err != nil && !errors.Is(r.err, context.Canceled):
				errs = append(errs, fmt.Errorf("%s: %w", r.Name, r.err))
			}
			log.Debug("stopped", "task", r.Name)
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s: did not stop within %s", r.Name, timeout))
		}
	}
	return errors.Join(errs...)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Signals gives a context that ends at the first SIGINT or SIGTERM. The second
// one leaves the process at once, with the status a shell expects: 130.
// Call stop when signals are to have their usual meaning again.
func Signals(ctx context.Context) (_ context.Context, stop func()) {
	return signals(ctx, func() { os.Exit(130) })
}

func signals(ctx context.Context, leave func()) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	got := make(chan os.Signal, 2)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stopped:
				return
			case <-got:
				if n > 0 {
					leave()
				}
				cancel()
			}
		}
	}()
	var once bool
	return ctx, func() {
		if !once {
			once = true
			signal.Stop(got)
			close(stopped)
			cancel()
		}
	}
}
