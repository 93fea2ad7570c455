package resilience

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
)

// GuardConfig says how a dependency is treated. Zero values take the defaults.
type GuardConfig struct {
	Name    string        // in logs and metrics: "payments.provider"
	Places  uint          // calls at a time; 64. Besides, four times as many that only wait (port.Message.Waits)
	Wait    time.Duration // for a free place; 2 s
	Sick    uint          // sick calls among the last ones that close the way; 12
	Last    uint          // how many last ones; 15
	Pause   time.Duration // before one call is let through to see; 1 s
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: nothing is counted
	Now     func() time.Time      // of the budget, and of who may find out, for tests; time.Now
}

func (c GuardConfig) withDefaults() GuardConfig {
	c.Places, c.Sick, c.Last = orElse(c.Places, 64), orElse(c.Sick, 12), orElse(c.Last, 15)
	c.Wait, c.Pause = orElse(c.Wait, 2*time.Second), orElse(c.Pause, time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orElse[T comparable](v, unset T) T {
	var zero T
	if v == zero {
		return unset
	}
	return v
}

// Guard stands before one dependency. It never repeats a call.
type Guard struct {
	cfg     GuardConfig
	breaker circuitbreaker.CircuitBreaker[any]
	places  bulkhead.Bulkhead[any]
	waits   bulkhead.Bulkhead[any] // of calls that only wait, which must not keep the others out
	budget  *budget
	metrics *guardMetrics
	probing atomic.Bool  // a call is under way that tells whether it is well again
	sick    atomic.Int64 // since when, in Unix microseconds; 0: it is well
	shut    atomic.Int64 // when it was last found sick, in Unix microseconds
}

// NewGuard makes a guard that lets calls through.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	cfg = cfg.withDefaults()
	g := &Guard{cfg: cfg, budget: newBudget(cfg.Now)}
	g.places = bulkhead.NewBuilder[any](cfg.Places).WithMaxWaitTime(cfg.Wait).Build()
	g.waits = bulkhead.NewBuilder[any](4 * cfg.Places).WithMaxWaitTime(cfg.Wait).Build()
	g.breaker = circuitbreaker.NewBuilder[any]().
		// The last calls, not the last seconds: a dependency that hangs answers seldom,
		// and would hide behind what it answered before.
		WithFailureThresholdRatio(cfg.Sick, cfg.Last).
		WithDelay(cfg.Pause).WithSuccessThreshold(1).OnStateChanged(g.changed).Build()
	var err error
	g.metrics, err = newGuardMetrics(cfg.Metrics, g)
	return g, err
}

// changed tells, once, that the dependency became sick or well. That it is
// looked at again in between is no news.
func (g *Guard) changed(e circuitbreaker.StateChangedEvent) {
	g.probing.Store(false)
	switch e.NewState {
	case circuitbreaker.OpenState:
		g.shut.Store(g.cfg.Now().UnixMicro())
		if g.sick.CompareAndSwap(0, time.Now().UnixMicro()) {
			g.cfg.Log.Warn("a dependency is sick and left alone", "dependency", g.cfg.Name, "tried_again_in", g.cfg.Pause)
		}
	case circuitbreaker.ClosedState:
		if since := g.sick.Swap(0); since != 0 {
			g.cfg.Log.Warn("a dependency is well again", "dependency", g.cfg.Name, "after", time.Since(time.UnixMicro(since)).Round(time.Millisecond))
		}
	}
}

// Ready is nil when a call would be let through now, else ErrOpen. It is for who
// can spare the work before the call.
func (g *Guard) Ready() error {
	switch {
	case g.breaker.IsOpen() && g.breaker.RemainingDelay() > 0, g.breaker.IsHalfOpen() && g.probing.Load():
		return ErrOpen
	}
	return nil
}

// State says in words how the dependency does, for people.
func (g *Guard) State() string {
	since := g.sick.Load()
	if since == 0 {
		return "in use"
	}
	return fmt.Sprintf("left alone since %s, because it failed too often; tried again every %s",
		time.UnixMicro(since).UTC().Format(time.RFC3339), g.cfg.Pause)
}

// Call makes a call, or says why not: see NotMade. repeat is for whatever only
// follows a try that failed: another try, a look-up, a clean-up. sick tells of the
// call's outcome that the dependency is not well; a call given up by its caller
// says nothing.
func Call[R any](ctx context.Context, g *Guard, repeat bool, sick func(R, error) bool, call func() (R, error)) (R, error) {
	return callIn(ctx, g, g.places, repeat, sick, call)
}

// callIn is Call with a place in room.
func callIn[R any](ctx context.Context, g *Guard, room bulkhead.Bulkhead[any], repeat bool, sick func(R, error) bool, call func() (R, error)) (R, error) {
	var none R
	probe, err := g.admit(ctx, room, repeat)
	if err != nil {
		g.metrics.refused(err)
		return none, fmt.Errorf("%s: %w", g.cfg.Name, err)
	}
	v := failed // unless it returns: it may panic
	defer func() {
		room.ReleasePermit()
		g.record(v, repeat, probe)
	}()
	r, err := call()
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		v = givenUp
	case !sick(r, err):
		v = well
	}
	return r, err
}

// verdict is what a call's outcome says of the dependency.
type verdict string

const (
	well    verdict = "well"
	failed  verdict = "sick"
	givenUp verdict = "given_up"
)

// record counts an outcome. A call from before the dependency was found sick says
// nothing about how it does now: only what was let through to see may.
func (g *Guard) record(v verdict, repeat, probe bool) {
	g.metrics.outcome(string(v))
	if v == well {
		g.budget.earn(repeat)
	}
	switch {
	case !probe && !g.breaker.IsClosed():
	case v == well:
		g.breaker.RecordSuccess()
	case v == failed || probe: // a probe that was given up has told nothing
		g.breaker.RecordFailure()
	}
}

// leftToOthers tells that a call which only waits shall not be the one that finds out
// whether the dependency is well again: it is answered when what it waits for is over,
// and as long nobody else would be let through. Where nobody else comes for two pauses
// it may.
func (g *Guard) leftToOthers() bool {
	return !g.breaker.IsClosed() && g.cfg.Now().Sub(time.UnixMicro(g.shut.Load())) < 3*g.cfg.Pause
}

func (g *Guard) admit(ctx context.Context, room bulkhead.Bulkhead[any], repeat bool) (probe bool, err error) {
	if err := g.Ready(); err != nil {
		return false, err
	}
	if room == g.waits && g.leftToOthers() {
		return false, ErrOpen
	}
	// What tells whether it is well again is paid by nobody, else an empty budget
	// could keep us away for good.
	if g.breaker.IsClosed() && !g.budget.pay(repeat) {
		return false, ErrNoBudget
	}
	if err := room.AcquirePermitWithMaxWait(ctx, g.cfg.Wait); err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, ErrCrowded
	}
	if !g.breaker.TryAcquirePermit() {
		room.ReleasePermit()
		return false, ErrOpen
	}
	probe = !g.breaker.IsClosed()
	if probe {
		g.probing.Store(true)
	}
	return probe, nil
}
