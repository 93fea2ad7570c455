package saga

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

type fuzzState struct {
	OrderID string            `json:"order_id"`
	Amount  int64             `json:"amount"`
	Lines   []string          `json:"lines"`
	Notes   map[string]string `json:"notes,omitempty"`
	Done    *bool             `json:"done,omitempty"`
}

// FuzzState: a saga's row is read into a state that is written again as the same,
// or it is an error, for which the saga is parked.
func FuzzState(f *testing.F) {
	engine := &Engine{defs: map[string]*definition{}}
	Register(engine, Definition[fuzzState]{Name: "fuzz"})
	decode := engine.defs["fuzz"].decode
	f.Fuzz(func(t *testing.T, text string) {
		state, err := decode(text)
		if err != nil {
			require.ErrorContains(t, err, "read the state of saga fuzz")
			require.Nil(t, state)
			return
		}
		once, err := json.Marshal(state)
		require.NoError(t, err)
		again, err := decode(string(once))
		require.NoError(t, err)
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
}

// FuzzCause: why a saga turned back is told again in the same words; what cannot be
// read is no cause.
func FuzzCause(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		cause := decodeCause(text)
		if cause == nil {
			return
		}
		require.NotEmpty(t, cause.Code.Name(), "a cause without a code tells nobody anything")
		again := decodeCause(encodeCause(cause))
		require.NotNil(t, again)
		require.Equal(t, cause.Code, again.Code)
		require.Equal(t, cause.Message, again.Message)
		require.Equal(t, len(cause.Details), len(again.Details))
	})
}
