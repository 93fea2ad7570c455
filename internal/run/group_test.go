package run

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// journal notes what happened in which order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string{}, j.lines...)
}

func (j *journal) task(name string) Task {
	up := make(chan struct{})
	return Task{
		Name: name,
		Run: func(ctx context.Context) error {
			j.add("run " + name)
			close(up)
			<-ctx.Done()
			j.add("end " + name)
			return nil
		},
		Ready: func(ctx context.Context) error {
			select {
			case <-up:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		Stop: func(context.Context) error {
			j.add("stop " + name)
			return nil
		},
	}
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	g := Group{Ready: func() { j.add("ready"); cancel() }, Draining: func() { j.add("draining") }}
	g.Add(j.task("a"), j.task("b"), j.task("c"))
	require.NoError(t, g.Run(ctx))
	require.Equal(t, []string{
		"run a", "run b", "run c", "ready", "draining",
		"stop c", "end c", "stop b", "end b", "stop a", "end a",
	}, j.all())
}

func TestFirstErrorEndsAll(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, bad := range map[string]Task{
		"run":      {Name: "bad", Run: func(context.Context) error { return boom }},
		"ready":    {Name: "bad", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }, Ready: func(context.Context) error { return boom }},
		"in ready": {Name: "bad", Run: func(context.Context) error { return boom }, Ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var j journal
			var g Group
			g.Add(j.task("a"), bad)
			err := g.Run(t.Context())
			require.ErrorIs(t, err, boom)
			require.ErrorContains(t, err, "bad: ")
			require.Equal(t, []string{"run a", "stop a", "end a"}, j.all())
		})
	}
}

func TestEarlyEndAndPanicAreErrors(t *testing.T) {
	t.Parallel()
	var g Group
	g.Add(Task{Name: "short", Run: func(context.Context) error { return nil }})
	require.ErrorContains(t, g.Run(t.Context()), "short: ended before it was asked to")

	g = Group{}
	g.Add(Task{Name: "wild", Run: func(context.Context) error { panic("ouch") }})
	require.ErrorContains(t, g.Run(t.Context()), "wild: panic: ouch")
}

func TestStopHasOneDeadline(t *testing.T) {
	t.Parallel()
	var j journal
	ctx, cancel := context.WithCancel(t.Context())
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	stuck := func(name string) Task {
		return Task{Name: name, Run: func(context.Context) error { <-hang; return nil }}
	}
	g := Group{StopTimeout: 50 * time.Millisecond, Ready: cancel}
	g.Add(j.task("a"), stuck("b"), stuck("c"))
	began := time.Now()
	err := g.Run(ctx)
	require.ErrorContains(t, err, "c: did not stop within 50ms")
	require.ErrorContains(t, err, "b: did not stop within 50ms")
	require.Less(t, time.Since(began), 10*time.Second)
	require.Contains(t, j.all(), "stop a")
}

// What ends while others are being stopped fails as well.
func TestErrorsWhileStoppingAreTold(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	stopping, over := make(chan struct{}), make(chan struct{})
	g := Group{Ready: cancel}
	g.Add(Task{Name: "a", Run: func(context.Context) error { defer close(over); <-stopping; return boom }})
	g.Add(Task{
		Name: "b", Run: func(ctx context.Context) error { <-ctx.Done(); return nil },
		Stop: func(context.Context) error { close(stopping); <-over; return nil },
	})
	require.EqualError(t, g.Run(ctx), "a: boom")

	ended := &running{Task: Task{Name: "c"}, cancel: func() {}, done: make(chan struct{})}
	close(ended.done)
	require.EqualError(t, g.stop(slog.New(slog.DiscardHandler), []*running{ended}), "c: ended before it was asked to")
}

// Of two that end by themselves both are told, each once.
func TestEachErrorIsToldOnce(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	again := make(chan struct{})
	var g Group
	g.Add(Task{Name: "a", Run: func(context.Context) error { <-again; return second }})
	g.Add(Task{
		Name: "b", Run: func(ctx context.Context) error { <-ctx.Done(); return nil },
		Stop: func(context.Context) error { close(again); return nil },
	})
	g.Add(Task{Name: "c", Run: func(context.Context) error { return first }})
	err := g.Run(t.Context())
	require.EqualError(t, err, "c: first\na: second")
}

func TestStopBeforeReadyIsNoError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var g Group
	g.Add(Task{
		Name:  "slow",
		Run:   func(ctx context.Context) error { <-ctx.Done(); return nil },
		Ready: func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() },
	})
	require.NoError(t, g.Run(ctx))
}

// Not parallel: signals are the process's.
func TestSecondSignalLeavesAtOnce(t *testing.T) { //nolint:paralleltest // see above
	left := make(chan struct{})
	ctx, stop := signals(context.Background(), func() { close(left) })
	defer stop()
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
	<-ctx.Done()
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGINT))
	select {
	case <-left:
	case <-time.After(time.Minute):
		require.Fail(t, "the second signal was not heard")
	}
}
