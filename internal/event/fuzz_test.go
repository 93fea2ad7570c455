package event_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/event"
)

// FuzzDecode: an envelope from a wire is refused in one sentence, or is whole and
// stays the same when it travels on.
func FuzzDecode(f *testing.F) {
	good, err := json.Marshal(envelope("a", 1))
	require.NoError(f, err)
	f.Add(good)
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := event.Decode(body)
		if err != nil {
			require.ErrorContains(t, err, "read an event: ")
			require.Zero(t, e)
			return
		}
		require.Positive(t, e.Version)
		for _, text := range []string{e.ID, e.Topic, e.Type, e.AggregateID} {
			require.NotEmpty(t, text)
			require.True(t, utf8.ValidString(text))
			require.NotContains(t, text, "\x00", "a database would refuse it for ever")
		}
		require.True(t, json.Valid(e.Data))
		require.True(t, utf8.Valid(e.Data), "PostgreSQL would refuse it for ever")
		once, err := json.Marshal(e)
		require.NoError(t, err)
		same, err := event.Decode(once)
		require.NoError(t, err)
		twice, err := json.Marshal(same)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}
