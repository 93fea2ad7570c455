package database

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIgnoredPragmaIsNoticed(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]pragma{
		"misspelt name":  {"jurnal_mode", "WAL", "wal"},
		"misspelt value": {"journal_mode", "WALL", "wal"},
		"other value":    {"synchronous", "NORMAL", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sqlitePool(t.Context(), filepath.Join(t.TempDir(), "x.db"), 1, []pragma{p})
			require.ErrorContains(t, err, "SQLite did not take the setting "+p.name)
		})
	}
}

func TestPoolSize(t *testing.T) {
	t.Parallel()
	require.Equal(t, 10, poolSize(45, 10))
	require.Equal(t, 2, poolSize(45, 1))
	require.Equal(t, 4, poolSize(20, 9))
}
