package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/rabbit"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/catalog"
)

// An event that the broker put aside is given up like one of the inbox: what waits behind
// it goes on. What is no event is only taken away.
func TestDroppedLetterLetsTheOthersGoOn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	cfg := config.Defaults()
	cfg.Data.Dir, cfg.AMQP.URL, cfg.Ports.SigningKey = t.TempDir(), testenv.RabbitMQ(t), strings.Repeat("k", 32)
	log, err := telemetry.NewLogger(t.Output(), telemetry.LogOptions{Level: "warn", Format: "text"})
	require.NoError(t, err)
	s, err := openShop(ctx, cfg, log)
	require.NoError(t, err)
	t.Cleanup(s.close)
	rabbittest.Run(t, s.BrokerOf("search"))() // so the queues are there, and nobody reads them
	search := s.Bus.Consumer("search")

	untold := func(version int64) event.Envelope { // nobody handles it: it moves the cursor
		return event.Envelope{
			ID: fmt.Sprint("untold-", version), Source: "catalog", Topic: catalog.Topic, Type: "catalog.untold", AggregateID: "a",
			Version: version, Time: time.Now(), Data: json.RawMessage(`{}`),
		}
	}
	aside := func(id, body string) {
		rabbittest.Publish(t, cfg.AMQP.URL, catalog.Topic, id, body)
		rabbittest.Reject(t, cfg.AMQP.URL, rabbit.EventQueue("search"))
		require.Eventually(t, func() bool {
			dead, err := s.deadShow(ctx, search, id)
			return err == nil && dead.State == putAside
		}, time.Minute, 20*time.Millisecond)
	}
	letter := func(version int64) {
		body, err := json.Marshal(untold(version))
		require.NoError(t, err)
		aside(untold(version).ID, string(body))
	}
	left := func() (ids []string) {
		require.NoError(t, s.Bus.Drain(ctx))
		dead, err := s.deadList(ctx, search, 10)
		require.NoError(t, err)
		for _, d := range dead {
			ids = append(ids, d.Event.ID)
		}
		return ids
	}

	aside("nonsense", "no event at all")
	letter(2)
	require.NoError(t, search.Deliver(ctx, []event.Envelope{untold(1), untold(3)}))
	require.ElementsMatch(t, []string{"untold-3", "nonsense", "untold-2"}, left())
	require.NoError(t, s.deadDrop(ctx, search, "untold-2", "sent by hand"))
	require.Equal(t, []string{"nonsense"}, left())
	gone, err := s.deadShow(ctx, search, "untold-2")
	require.NoError(t, err)
	require.Equal(t, dropped, gone.State)
	require.Contains(t, gone.Reason, "sent by hand; last error: ")
	require.ErrorContains(t, s.deadDrop(ctx, search, "untold-2", "once more"), "was dropped already: sent by hand")

	letter(4) // and who gives it up dies before the broker has forgotten it
	require.NoError(t, search.GiveUp(ctx, untold(4), "sent by hand", "it kills"))
	require.NoError(t, s.deadDrop(ctx, search, "untold-4", "once more"))
	require.Equal(t, []string{"nonsense"}, left())

	require.ErrorIs(t, s.deadDrop(ctx, search, "nonsense", ""), fault.Invalid)
	require.NoError(t, s.deadDrop(ctx, search, "nonsense", "made by a test"))
	require.Empty(t, left())
	require.ErrorIs(t, s.deadDrop(ctx, search, "nonsense", "made by a test"), fault.NotFound)
}
