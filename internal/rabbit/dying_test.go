package rabbit_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/run"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// dyingVariable makes a process of this test a consumer: the address of its broker,
// and the folder of its data.
const dyingVariable = "BANYAN_RABBIT_TEST_DYING"

func TestMain(m *testing.M) {
	if url, dir, ok := strings.Cut(os.Getenv(dyingVariable), " "); ok {
		fmt.Fprintln(os.Stderr, dying(url, dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// dying takes events in hand, tells of the first, and is killed before it is done.
func dying(url, dir string) error {
	cluster, err := database.Open(context.Background(), database.Config{Dir: dir, Pool: 20})
	if err != nil {
		return err
	}
	db, err := cluster.Module(context.Background(), "ledger", 1)
	if err != nil {
		return err
	}
	consumer := event.NewConsumer(db, clock.System)
	event.On(consumer, happened, func(_ context.Context, m event.Meta, _ counted) error {
		fmt.Println(m.AggregateID, m.Version)
		select {}
	})
	b, err := rabbit.New(rabbit.Config{URL: url})
	if err != nil {
		return err
	}
	bus, err := event.NewBus(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	b.Consume(consumer)
	bus.Attend(consumer)
	var g run.Group
	g.Add(b.Tasks()...)
	return g.Run(context.Background())
}

// A process that holds events dies 25 times in a row. The broker counts that for all
// that it held, and RabbitMQ 4 by itself would throw them away after 20: none is
// lost, none is put aside, each has its effect once.
func TestConsumerDiesAgainAndAgain(t *testing.T) {
	t.Parallel()
	const deaths, events = 25, 120
	url, dir := testenv.RabbitMQ(t), t.TempDir()
	cluster := testenv.Open(t, database.Config{Dir: dir})
	db, err := cluster.Module(t.Context(), "ledger", 1)
	require.NoError(t, err)
	l := prepare(t, &listener{db: db, url: url})
	consumer, stop := l.start(t, nil)
	require.Eventually(t, func() bool { // the queue is there, and no stream is read any more
		fresh, err := consumer.Unregistered(t.Context())
		return err == nil && len(fresh) == 0
	}, patience, 10*time.Millisecond)
	stop()
	p := newPublisher(t, url)
	work(t, p.bus, p.broker)
	for a := range events / 2 {
		p.record(t, fmt.Sprint("a", a), 1, 2)
	}
	p.sent(t)
	held := map[string]int{}
	for range deaths {
		ctx, cancel := context.WithTimeout(t.Context(), patience) // nothing in hand: what was is lost
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), dyingVariable+"="+url+" "+dir), t.Output()
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err, "a process got nothing")
		held[strings.TrimSpace(line)]++
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		cancel()
	}
	most := 0
	for _, n := range held {
		most = max(most, n)
	}
	l.start(t, nil)
	l.await(t, events)
	for a := range events / 2 {
		require.Equal(t, upTo(2), l.effects(t, fmt.Sprint("a", a)))
	}
	require.Zero(t, rabbittest.Lying(t, url, rabbit.DeadQueue("ledger")), "dead letters")
	t.Logf("%d processes died with events in hand, %d of them with the same one; %d events, lost 0, double 0, dead letters 0", deaths, most, events)
	require.Greater(t, most, 20, "no event was in hand often enough to be thrown away: the hard case was not hit")
}
