package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A peer that answers something else is compared with nothing.
func TestPeersEcho(t *testing.T) {
	t.Parallel()
	peers, stop, err := openPeers(t.Context())
	require.NoError(t, err)
	raw := []byte(`{"id":"1","text":"x"}`)
	for _, p := range peers {
		require.NoError(t, echoing(raw, p.call)(t.Context()), p.name)
	}
	other := func(context.Context, []byte) ([]byte, error) { return []byte("{}"), nil }
	require.ErrorContains(t, echoing(raw, other)(t.Context()), "2 bytes came back of 21")
	require.NoError(t, stop())
}
