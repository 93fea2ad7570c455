package database_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// TestKilledProcess kills a writing process without warning, several times:
// every write that it reported is there, and each transaction whole.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("BANYAN_TEST_VICTIM"); dir != "" {
		victim(t, dir)
		return
	}
	dir := t.TempDir()
	reported := 0
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), "BANYAN_TEST_VICTIM="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n < 20 && lines.Scan(); n++ {
			reported, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() { // what it still said before it died
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				reported = n
			}
		}
		require.Error(t, cmd.Wait(), "it was killed")

		cluster, err := database.Open(t.Context(), database.Config{Dir: dir})
		require.NoError(t, err)
		db, err := cluster.Module(t.Context(), "test", 1)
		require.NoError(t, err)
		found := int(count(t, db))
		require.Zero(t, found%2, "each transaction writes two rows")
		require.GreaterOrEqual(t, found/2, reported)
		require.LessOrEqual(t, found/2, reported+1)
		reported = found / 2
		require.NoError(t, cluster.Close())
	}
	require.GreaterOrEqual(t, reported, 100)
}

func victim(t *testing.T, dir string) {
	t.Helper()
	db, err := testenv.Open(t, database.Config{Dir: dir}).Module(t.Context(), "test", 1)
	require.NoError(t, err)
	withNotes(t, db)
	for n := int(count(t, db))/2 + 1; ; n++ {
		require.NoError(t, db.Atomic(t.Context(), func(ctx context.Context) error {
			if err := insert(ctx, db, note{ID: fmt.Sprintf("%d a", n)}); err != nil {
				return err
			}
			return insert(ctx, db, note{ID: fmt.Sprintf("%d b", n)})
		}))
		fmt.Println(n)
	}
}
