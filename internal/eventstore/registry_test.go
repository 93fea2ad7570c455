package eventstore_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/eventstore"
)

// paidIn is what filled is called in a later version of the program: another Go
// name, another stored name, a field renamed and one added.
type paidIn struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

func laterStore(t *testing.T, b *bundle) *eventstore.Store {
	t.Helper()
	rename := eventstore.Fields(func(f map[string]json.RawMessage) error {
		f["amount"] = f["coins"]
		delete(f, "coins")
		return nil
	})
	currency := eventstore.Fields(func(f map[string]json.RawMessage) error {
		f["currency"] = json.RawMessage(`"USD"`)
		return nil
	})
	types, err := eventstore.NewRegistry(
		eventstore.Type[paidIn]("purse.paid_in").Formerly("purse.filled").Since(rename, currency),
		eventstore.Type[emptied]("purse.emptied"),
	)
	require.NoError(t, err)
	return eventstore.New(b.db, types, clock.System, slog.New(slog.DiscardHandler))
}

func TestOldEventsAreReadByNewCode(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		const digits = 9_007_199_254_740_993 // more than a float64 can tell apart
		_, err := b.fill(t.Context(), "p", "", digits)
		require.NoError(t, err)
		b.exec(t, `INSERT INTO stream_events (stream, version, type, schema, recorded_at, data)
			SELECT stream, 2, 'purse.paid_in', 2, recorded_at, '{"amount":7}' FROM stream_events`)
		events, err := laterStore(t, b).Read(t.Context(), "p", 0, 10)
		require.NoError(t, err)
		require.Equal(t, paidIn{digits, "USD"}, events[0].Event)
		require.Equal(t, paidIn{7, "USD"}, events[1].Event)
	})
}

func TestEventsNobodyKnowsAreAClearError(t *testing.T) {
	each(t, func(t *testing.T, b *bundle) {
		b.mustFill(t, "p", 1)
		for name, c := range map[string]struct {
			kind   string
			schema int
			data   string
			want   error
			says   string
		}{
			"type":   {"purse.gone", 1, "{}", eventstore.ErrUnknownType, `read version 2 of stream p: event type "purse.gone"`},
			"schema": {"purse.filled", 2, "{}", eventstore.ErrNewerSchema, "schema 2 of 1 known"},
			"data":   {"purse.filled", 1, "{", nil, `event type "purse.filled"`},
			"empty":  {"purse.filled", 1, "", nil, "it has no data"},
		} {
			b.exec(t, `DELETE FROM stream_events WHERE version = 2`)
			b.exec(t, `INSERT INTO stream_events (stream, version, type, schema, recorded_at, data)
				SELECT stream, 2, ?, ?, recorded_at, ? FROM stream_events`, c.kind, c.schema, c.data)
			_, err := instance(t, b.db, clock.System, 0).purses.Load(t.Context(), "p")
			require.ErrorContains(t, err, c.says, name)
			if c.want != nil {
				require.ErrorIs(t, err, c.want, name)
			}
		}
	})
}

func TestRegistryRefusesMistakes(t *testing.T) {
	t.Parallel()
	type a struct{}
	for says, list := range map[string][]eventstore.Kind{
		`the name "x" is registered twice`:          {eventstore.Type[a]("x"), eventstore.Type[purse]("x")},
		`the name "y" is registered twice`:          {eventstore.Type[a]("x").Formerly("y"), eventstore.Type[purse]("y")},
		"eventstore_test.purse is registered twice": {eventstore.Type[purse]("x"), eventstore.Type[purse]("y")},
		"has no name": {eventstore.Type[a]("")},
		"with Type":   {{}},
	} {
		_, err := eventstore.NewRegistry(list...)
		require.ErrorContains(t, err, says)
	}
}

func FuzzUpcast(f *testing.F) {
	types, err := eventstore.NewRegistry(eventstore.Type[paidIn]("x").Since(eventstore.Fields(func(f map[string]json.RawMessage) error {
		f["amount"] = f["coins"]
		delete(f, "coins")
		return nil
	})))
	require.NoError(f, err)
	f.Add(1, []byte(`{"coins":1}`))
	f.Add(2, []byte(`{"amount":1,"currency":"USD"}`))
	f.Add(1, []byte(`null`))
	f.Add(3, []byte(`{}`))
	f.Fuzz(func(t *testing.T, schema int, data []byte) {
		e, err := types.Decode("x", schema, data)
		if err != nil {
			return
		}
		require.IsType(t, paidIn{}, e)
		again, err := types.Decode("x", 2, []byte(mustJSON(t, e)))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}
