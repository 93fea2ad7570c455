package resilience_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/resilience"
)

// wire answers as told, and counts.
type wire struct {
	tries  atomic.Int64
	answer func(try int64) error
}

func (w *wire) RoundTrip(context.Context, port.Message) (port.Message, error) {
	return port.Message{Method: "shop.look"}, w.answer(w.tries.Add(1))
}

func guarded(t *testing.T, w *wire, cfg resilience.GuardConfig) port.Transport {
	t.Helper()
	cfg.Name = "calls.shop"
	g, err := resilience.NewGuard(cfg)
	require.NoError(t, err)
	return resilience.Transport(w, g)
}

func asks(kind string) port.Message {
	return port.Message{Method: "shop.look", Header: map[string]string{port.HeaderKind: kind, port.HeaderKey: "k"}}
}

func TestQueriesAreRepeatedCommandsAreNot(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]int64{"query": 3, "command": 1} {
		w := &wire{answer: func(int64) error { return fault.Unavailable }}
		_, err := guarded(t, w, resilience.GuardConfig{}).RoundTrip(t.Context(), asks(kind))
		require.ErrorIs(t, err, fault.Unavailable)
		require.Equal(t, want, w.tries.Load(), kind)
	}
	w := &wire{answer: func(try int64) error {
		if try == 1 {
			return fault.Unavailable
		}
		return nil
	}}
	reply, err := guarded(t, w, resilience.GuardConfig{}).RoundTrip(t.Context(), asks("query"))
	require.NoError(t, err)
	require.Equal(t, "shop.look", reply.Method)
	for _, final := range []error{fault.DeadlineExceeded, fault.Canceled, fault.Unauthenticated} {
		w := &wire{answer: func(int64) error { return final }}
		_, err := guarded(t, w, resilience.GuardConfig{}).RoundTrip(t.Context(), asks("query"))
		require.ErrorIs(t, err, final)
		require.EqualValues(t, 1, w.tries.Load(), final)
	}
}

// While a module gives no reply, it is asked hardly more often than its callers ask.
func TestRepeatsHaveABudget(t *testing.T) {
	t.Parallel()
	w := &wire{answer: func(int64) error { return fault.Unavailable }}
	stopped := time.Now() // nothing is earned by waiting
	wire := guarded(t, w, resilience.GuardConfig{Sick: 100_000, Last: 100_000, Now: func() time.Time { return stopped }})
	const asked = 300
	for range asked {
		_, err := wire.RoundTrip(t.Context(), asks("query"))
		require.ErrorIs(t, err, fault.Unavailable)
	}
	require.LessOrEqual(t, w.tries.Load(), int64(asked*1.2))
	require.Greater(t, w.tries.Load(), int64(asked), "nothing was repeated at all")
}

func TestASickModuleIsLeftAloneAndComesBack(t *testing.T) {
	t.Parallel()
	var sick atomic.Bool
	sick.Store(true)
	w := &wire{answer: func(int64) error {
		if sick.Load() {
			return fault.DeadlineExceeded
		}
		return nil
	}}
	wire := guarded(t, w, resilience.GuardConfig{Pause: 50 * time.Millisecond})
	var refused error
	asked := int64(0)
	// After a pause one is let through to see: that may just be the last.
	for ; asked < 15 || asked < 1000 && !errors.Is(refused, resilience.ErrOpen); asked++ {
		_, refused = wire.RoundTrip(t.Context(), asks("command"))
	}
	require.ErrorIs(t, refused, fault.Unavailable)
	require.ErrorIs(t, refused, resilience.ErrOpen)
	require.Less(t, w.tries.Load(), asked)
	sick.Store(false)
	require.Eventually(t, func() bool {
		_, err := wire.RoundTrip(t.Context(), asks("command"))
		return err == nil
	}, 90*time.Second, time.Millisecond)
}

// A module that is well again is found so by a call that is answered at once. One that
// only waits would keep everybody else away until what it waits for is over; it is let
// through where nobody else comes.
func TestWhoOnlyWaitsLeavesItToOthersToFindOut(t *testing.T) {
	t.Parallel()
	var sick atomic.Bool
	w := &wire{answer: func(int64) error {
		if sick.Load() {
			return fault.Unavailable
		}
		return nil
	}}
	var ahead atomic.Int64
	began := time.Now()
	g, err := resilience.NewGuard(resilience.GuardConfig{Name: "calls.shop", Pause: time.Millisecond,
		Now: func() time.Time { return began.Add(time.Duration(ahead.Load())) }})
	require.NoError(t, err)
	wire := resilience.Transport(w, g)
	waits := asks("command")
	waits.Waits = true
	becomesSick := func() {
		sick.Store(true)
		for g.Ready() == nil {
			_, err := wire.RoundTrip(t.Context(), asks("command"))
			require.Error(t, err)
		}
		sick.Store(false)
		require.Eventually(t, func() bool { return g.Ready() == nil }, time.Minute, time.Millisecond)
	}

	becomesSick()
	_, err = wire.RoundTrip(t.Context(), waits)
	require.ErrorIs(t, err, resilience.ErrOpen)
	require.NoError(t, g.Ready(), "nobody was let through")
	_, err = wire.RoundTrip(t.Context(), asks("query"))
	require.NoError(t, err)
	_, err = wire.RoundTrip(t.Context(), waits)
	require.NoError(t, err)

	becomesSick()
	ahead.Add(int64(3 * time.Millisecond))
	_, err = wire.RoundTrip(t.Context(), waits)
	require.NoError(t, err)
	_, err = wire.RoundTrip(t.Context(), asks("query"))
	require.NoError(t, err)
}

func TestCallsAtATimeAreBounded(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	w := &wire{answer: func(int64) error { inside <- struct{}{}; <-leave; return nil }}
	wire := guarded(t, w, resilience.GuardConfig{Places: 1, Wait: time.Millisecond})
	first := make(chan error, 1)
	go func() { _, err := wire.RoundTrip(t.Context(), asks("query")); first <- err }()
	<-inside
	_, err := wire.RoundTrip(t.Context(), asks("query"))
	require.ErrorIs(t, err, fault.Unavailable)
	require.True(t, errors.Is(err, resilience.ErrCrowded))
	close(leave)
	require.NoError(t, <-first)
}

// Calls that only wait are bounded apart from the others, and keep none of them out.
func TestCallsThatWaitKeepNobodyOut(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	const waiting = 4
	w := &wire{answer: func(try int64) error {
		if try%2 == 1 && try < 2*waiting {
			inside <- struct{}{}
			<-leave
		}
		return nil
	}}
	wire := guarded(t, w, resilience.GuardConfig{Places: 1, Wait: time.Millisecond})
	late := asks("command")
	late.Waits = true
	answers := make(chan error, waiting)
	for range waiting {
		go func() { _, err := wire.RoundTrip(t.Context(), late); answers <- err }()
		select {
		case <-inside:
		case err := <-answers:
			require.NoError(t, err)
		}
		_, err := wire.RoundTrip(t.Context(), asks("query"))
		require.NoError(t, err)
	}
	_, err := wire.RoundTrip(t.Context(), late)
	require.ErrorIs(t, err, resilience.ErrCrowded)
	close(leave)
	for range waiting {
		require.NoError(t, <-answers)
	}
	for range 2 * waiting { // each gave back what it took
		_, err := wire.RoundTrip(t.Context(), late)
		require.NoError(t, err)
	}
}
