package database_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
)

// FuzzTime: a column's text is no instant, or one that is written and read again as
// the same one.
func FuzzTime(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		var at database.Time
		if err := at.Scan(text); err != nil {
			require.Zero(t, at)
			return
		}
		if y := at.Year(); y < 1 || y > 9999 {
			return // the shop writes none of these
		}
		kept := database.At(at.Time)
		written, err := kept.Value()
		require.NoError(t, err)
		var again database.Time
		require.NoError(t, again.Scan(written))
		require.True(t, kept.Equal(again.Time), "%v became %v", kept, again)
		require.NoError(t, again.Scan([]byte(text)))
		require.True(t, at.Equal(again.Time))
	})
}
