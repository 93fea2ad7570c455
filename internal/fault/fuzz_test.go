package fault_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
)

// FuzzUnmarshal: a fault from a wire has a code and a known kind, and stays the
// same when it travels on; a cause never travels.
func FuzzUnmarshal(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := new(fault.Error)
		if err := e.UnmarshalJSON(raw); err != nil {
			require.NotEmpty(t, err.Error())
			require.Empty(t, e.Code.Name(), "what cannot be read leaves nothing behind")
			return
		}
		require.NotEmpty(t, e.Code.Name())
		require.GreaterOrEqual(t, e.Code.Kind().HTTPStatus(), 400)
		require.ErrorIs(t, e, fault.Define(e.Code.Name(), fault.KindInternal))
		once, err := json.Marshal(e)
		require.NoError(t, err)
		again := new(fault.Error)
		require.NoError(t, again.UnmarshalJSON(once))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		hidden, err := json.Marshal(e.Code.Wrap(errors.New("hunter2-hunter2"), "%s", e.Message))
		require.NoError(t, err)
		require.NotContains(t, string(hidden), "hunter2-hunter2")
	})
}
