package event_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
)

func TestTwoInstancesShareTheWorkAndOneDies(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		const aggregates, versions = 50, 40
		one, two := s.instance(t), s.instance(t)
		var handled, byTwo atomic.Int64
		stopped := make(chan struct{})
		var stopOne func()
		var once sync.Once
		one.failing(func(event.Meta) error {
			if handled.Add(1) == 300 { // dies in the middle of a delivery
				once.Do(func() { go func() { defer close(stopped); stopOne() }() })
			}
			return nil
		})
		two.failing(func(event.Meta) error { byTwo.Add(1); return nil })
		stopOne = one.start(t)
		two.start(t)
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for v := int64(1); v <= versions; v++ {
					for a := w; a < aggregates; a += 4 {
						[]*bundle{one, two}[v%2].publish(t, fmt.Sprint("a", a), v)
					}
				}
			})
		}
		writers.Wait()
		two.drain(t)
		require.Eventually(t, func() bool { two.drain(t); return len(s.effects(t, "a0")) == versions }, 2*time.Minute, 50*time.Millisecond)
		for a := range aggregates {
			require.Equal(t, upTo(versions), s.effects(t, fmt.Sprint("a", a)))
		}
		if handled.Load() >= 300 {
			<-stopped
		}
		t.Logf("instance one handled %d before it died, two %d", handled.Load(), byTwo.Load())
		require.Positive(t, byTwo.Load())
	})
}

// crashing is a sink that fails after the consumer has had the batch: nothing is
// marked as sent, as after a crash.
type crashing struct{ left atomic.Int64 }

func (c *crashing) Name() string     { return "crashing" }
func (c *crashing) Topics() []string { return nil }
func (c *crashing) Deliver(context.Context, []event.Envelope) error {
	if c.left.Add(-1) >= 0 {
		return errors.New("crash before it is marked as sent")
	}
	return nil
}

func TestCrashBeforeMarkedSentDeliversAgainWithOneEffect(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		crash := &crashing{}
		crash.left.Store(3)
		b.bus.Sink(crash)
		b.publish(t, "a", upTo(5)...)
		b.drain(t)
		require.Negative(t, crash.left.Load(), "it was delivered again")
		require.Equal(t, upTo(5), s.effects(t, "a"))
		list, err := b.outbox.List(t.Context(), event.Filter{})
		require.NoError(t, err)
		for _, l := range list {
			require.NotNil(t, l.SentAt)
		}
	})
}

// A relay that is paused in the middle of a delivery loses its lanes and wakes up
// after another one has sent everything.
func TestZombieRelayDoesNoHarm(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		zombie, heir := s.instance(t), s.instance(t)
		asleep, wake := make(chan struct{}), make(chan struct{})
		zombie.bus.Sink(&paused{asleep: asleep, wake: wake})
		zombie.publish(t, "a", upTo(3)...)
		ended := make(chan error, 1)
		go func() { ended <- zombie.bus.Drain(t.Context()) }()
		<-asleep
		require.NoError(t, s.source.Atomic(t.Context(), func(ctx context.Context) error {
			return s.source.Conn(ctx).Exec(`UPDATE outbox_lanes SET held_until = '2000-01-01 00:00:00.000000+00:00'`).Error
		}))
		heir.drain(t)
		sent, err := heir.outbox.List(t.Context(), event.Filter{})
		require.NoError(t, err)
		close(wake)
		require.NoError(t, <-ended)
		again, err := heir.outbox.List(t.Context(), event.Filter{})
		require.NoError(t, err)
		require.Equal(t, sent, again, "the zombie marked nothing")
		require.Equal(t, upTo(3), s.effects(t, "a"))
	})
}

type paused struct {
	asleep, wake chan struct{}
	once         sync.Once
}

func (p *paused) Name() string     { return "paused" }
func (p *paused) Topics() []string { return nil }
func (p *paused) Deliver(context.Context, []event.Envelope) error {
	p.once.Do(func() { close(p.asleep) })
	<-p.wake
	return nil
}

func TestAuditFindsWhatIsStuck(t *testing.T) {
	each(t, func(t *testing.T, s shop) {
		b := s.instance(t)
		ctx := t.Context()
		findings := func() map[string]int {
			n := map[string]int{}
			for _, check := range b.bus.Checks() {
				_, err := check.Run(ctx, func(string, string) { n[check.Rule]++ })
				require.NoError(t, err)
			}
			return n
		}
		b.publish(t, "a", 1)
		require.Empty(t, findings(), "a fresh event is under way")
		past := clock.NewFake(clock.System().Add(-30 * time.Second))
		b.outbox = event.NewOutbox(s.source, past.Now, func() string { return "late" })
		b.publish(t, "b", 1)
		require.Empty(t, findings(), "it may take as long as a broker takes to start")
		past.Advance(-time.Minute)
		b.outbox = event.NewOutbox(s.source, past.Now, func() string { return "old" })
		b.publish(t, "c", 1)
		require.Equal(t, map[string]int{"events.outbox_is_empty": 1}, findings())
		b.consumer.MaxAttempts = 1
		b.failing(func(event.Meta) error { return errors.New("no") })
		b.drain(t)
		require.Equal(t, map[string]int{"events.nothing_parked": 3}, findings())
	})
}
