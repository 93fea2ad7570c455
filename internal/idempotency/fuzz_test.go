package idempotency

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

type fuzzReply struct {
	ID     string   `json:"id"`
	Amount int64    `json:"amount"`
	Lines  []string `json:"lines"`
}

// FuzzReplay: a remembered answer is given again as it was, a remembered refusal
// with its code; what cannot be read is an error and never an empty answer.
func FuzzReplay(f *testing.F) {
	f.Fuzz(func(t *testing.T, state, reply, refusal string) {
		ctx, flag := port.WithReplayFlag(context.Background())
		got, err := replay[fuzzReply](ctx, &record{State: state, Reply: reply, Fault: refusal})
		require.True(t, flag.Load())
		if state == stateRefused {
			require.Error(t, err)
			require.Zero(t, got)
			return
		}
		if err != nil {
			require.Equal(t, fault.KindInternal, fault.From(err).Code.Kind())
			require.Zero(t, got)
			return
		}
		require.True(t, json.Valid([]byte(reply)))
		written, err := json.Marshal(got)
		require.NoError(t, err)
		again, err := replay[fuzzReply](ctx, &record{State: stateDone, Reply: string(written)})
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
