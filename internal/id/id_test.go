package id_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/id"
)

func TestV7SortsByTimeOfMaking(t *testing.T) {
	t.Parallel()
	var before string
	for range 1000 {
		next := id.V7()
		require.True(t, id.Valid(next))
		require.Less(t, before, next)
		before = next
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "1", "urn:uuid:01890000-0000-7000-8000-000000000000", "{01890000-0000-7000-8000-000000000000}", "01890000-0000-7000-8000-00000000000g"} {
		require.False(t, id.Valid(s), s)
	}
	require.True(t, id.Valid("01890000-0000-7000-8000-000000000000"))
}

func TestMadeTellsOfV7Only(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-time.Millisecond)
	at, ok := id.Made(id.V7())
	require.True(t, ok)
	require.WithinRange(t, at, before, time.Now().Add(time.Millisecond))
	at, ok = id.Made("01890000-0000-7000-8000-000000000000")
	require.True(t, ok)
	require.Equal(t, time.UnixMilli(0x018900000000).UTC(), at)
	for _, s := range []string{
		"", "clay-pot", "01890000-0000-4000-8000-000000000000", "01890000-0000-7000-c000-000000000000", "urn:uuid:01890000-0000-7000-8000-000000000000",
	} {
		_, ok := id.Made(s)
		require.False(t, ok, s)
	}
}
