package rabbit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// ills are what a network does besides ending connections cleanly.
var ills = []struct {
	name string
	do   func(t testing.TB, w *rabbittest.Wire, to rabbittest.To) (heal func())
	long time.Duration // at full size; the heartbeat gives a silent connection up after 30 s
}{
	{"torn in the middle of a frame", func(t testing.TB, w *rabbittest.Wire, to rabbittest.To) func() {
		return w.Tear(t, to, 50+rand.IntN(4000))
	}, 2 * time.Second},
	{"late", func(t testing.TB, w *rabbittest.Wire, to rabbittest.To) func() {
		return w.Late(t, to, 250*time.Millisecond)
	}, 2 * time.Second},
	{"narrow", func(t testing.TB, w *rabbittest.Wire, to rabbittest.To) func() { return w.Narrow(t, to, 8) }, 3 * time.Second},
	{"silent", func(t testing.TB, w *rabbittest.Wire, to rabbittest.To) func() { return w.Silent(t, to) }, 40 * time.Second},
}

// The wires of publisher and consumer are torn within frames, late, narrow, and
// silent without being closed, one way or the other, while events are published and
// handled: each has its effect once and in order, and nothing is put aside.
func TestSickWires(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	here, there := rabbittest.NewWire(t, url), rabbittest.NewWire(t, url)
	p, l := newPublisher(t, here.URL), newListener(t, there.URL)
	l.failing(func(ctx context.Context, _ event.Meta) error {
		if rand.IntN(20) == 0 {
			pause(ctx, 50*time.Millisecond)
		}
		return nil
	})
	l.start(t, nil)
	work(t, p.bus, p.broker)
	const aggregates = 20
	version, met := int64(0), 0
	for range storm(1, 5) {
		for _, ill := range ills {
			for _, wire := range []*rabbittest.Wire{here, there} {
				for _, to := range []rabbittest.To{rabbittest.Broker, rabbittest.Process} {
					before := l.count(t)
					heal := ill.do(t, wire, to)
					version++
					for a := range aggregates {
						p.record(t, fmt.Sprint("a", a), version, version)
					}
					pause(t.Context(), time.Duration(storm(300, int(ill.long.Milliseconds())))*time.Millisecond)
					if l.count(t) < int(version)*aggregates && l.count(t) >= before {
						met++ // something was under way when it healed
					}
					heal()
				}
			}
		}
	}
	healed := time.Now()
	l.await(t, int(version)*aggregates)
	for a := range aggregates {
		require.Equal(t, upTo(version), l.effects(t, fmt.Sprint("a", a)))
	}
	require.Zero(t, rabbittest.Lying(t, url, rabbit.DeadQueue("ledger")), "dead letters")
	t.Logf("%d events over sick wires, %d ills with something under way; lost 0, double 0, dead letters 0; well %s after the last",
		version*aggregates, met, time.Since(healed).Round(time.Millisecond))
	require.Positive(t, met, "nothing was under way in any ill: the hard case was not hit")
}

// A process that is told to stop while the broker says nothing more leaves in time,
// long before a heartbeat would notice.
func TestStopWhileTheBrokerHangs(t *testing.T) {
	t.Parallel()
	url := testenv.RabbitMQ(t)
	wire := rabbittest.NewWire(t, url)
	slow := wire.URL + "?heartbeat=60" // it notices after three minutes
	p, l := newPublisher(t, slow), newListener(t, slow)
	_, stopListener := l.start(t, nil)
	stopPublisher := work(t, p.bus, p.broker)
	p.record(t, "a", 1, 3)
	l.await(t, 3)
	heal := wire.Silent(t, rabbittest.Process)
	defer heal()
	p.record(t, "a", 4, 6) // they wait for a confirmation that does not come
	stopListener()
	stopPublisher()
}
