package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The limit of the import inserts the very rows that the import left.
func TestTheRowsAreTheSame(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	from, to := filepath.Join(t.TempDir(), "from.db"), filepath.Join(t.TempDir(), "to.db")
	source, err := openSQLite(ctx, from)
	require.NoError(t, err)
	for _, text := range []string{
		`CREATE TABLE plants (id text NOT NULL PRIMARY KEY, leaves integer)`, `CREATE INDEX plants_leaves ON plants (leaves)`,
		`CREATE TABLE pots (plant text NOT NULL REFERENCES plants (id), size real)`,
	} {
		_, err := source.ExecContext(ctx, text)
		require.NoError(t, err)
	}
	var plants, pots [][]any
	for n := range 1234 { // more than two transactions
		plants, pots = append(plants, []any{sku(n), int64(n)}), append(pots, []any{sku(n), nil})
	}
	require.NoError(t, insert(ctx, source, "plants", []string{"id", "leaves"}, plants))
	require.NoError(t, insert(ctx, source, "pots", []string{"plant", "size"}, pots))
	require.NoError(t, source.Close())

	took, n, err := copyFile(ctx, from, to)
	require.NoError(t, err)
	require.Positive(t, took)
	require.Equal(t, 2*1234, n)
	copied, err := openSQLite(ctx, to)
	require.NoError(t, err)
	for table, want := range map[string][][]any{"plants": plants, "pots": pots} {
		_, got, err := rowsOf(ctx, copied, table)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.NoError(t, copied.Close())
}
