package searchmodule_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/search"
	"github.com/banyan-tree/banyan/modules/search/searchmodule"
	"github.com/banyan-tree/banyan/modules/search/searchtest"
)

func setup(t *testing.T, db *database.DB) *searchmodule.Module {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), searchmodule.Migrations()...))
	m, err := searchmodule.New(searchmodule.Deps{DB: db, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD"})
	require.NoError(t, err)
	return m
}

// envelopes are events as the relay brings them.
func envelopes(events ...event.Event) ([]event.Envelope, error) {
	batch := make([]event.Envelope, len(events))
	for i, e := range events {
		data, err := json.Marshal(e.Payload())
		if err != nil {
			return nil, err
		}
		batch[i] = event.Envelope{
			ID: id.V7(), Source: "test", Topic: e.Topic, Type: e.Type, AggregateID: e.AggregateID, Version: e.Version,
			Time: clock.System(), Data: data,
		}
	}
	return batch, nil
}

// hear brings events to the module as the relays of the owners do.
func hear(m *searchmodule.Module) func(events ...event.Event) error {
	return func(events ...event.Event) error {
		batch, err := envelopes(events...)
		if err != nil {
			return err
		}
		if err := m.Consumer.Deliver(context.Background(), batch); err != nil {
			return err
		}
		dead, err := m.Consumer.DeadList(context.Background(), 1)
		for _, d := range dead {
			err = errors.Join(err, fmt.Errorf("%s %s was kept back: %s", d.Event.Type, d.Event.AggregateID, d.Reason))
		}
		return err
	}
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"direct", "loopback"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			testenv.Each(t, func(t *testing.T, db *database.DB) {
				m := setup(t, db)
				server := port.NewServer("search")
				search.Serve(server, m.Service)
				conn := port.NewConn("search")
				if conn.Direct(server); way == "loopback" {
					conn.Loopback(server, 1, port.Strict())
				}
				searchtest.Exercise(t, searchtest.Harness{Service: search.NewClient(conn), Hear: hear(m)})
			})
		})
	}
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[search.Service](), porttest.Served(func(s *port.Server) { search.Serve(s, searchtest.NewFake()) })...)
}
