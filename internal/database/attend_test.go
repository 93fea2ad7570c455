package database_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// TestAttend: who finds no other server is alone, also after the other was
// killed, and nobody joins while that takes stock.
func TestAttend(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := database.Config{Dir: os.Getenv("BANYAN_TEST_ATTENDER")}
			if at := os.Getenv("BANYAN_TEST_ATTENDER"); at != "" {
				if kind == "postgres" {
					cfg = database.Config{URL: at}
				}
				attend(t, cfg)
				_, _ = os.Stdout.WriteString("here\n")
				select {}
			}
			cfg.Dir = t.TempDir()
			where := cfg.Dir
			if kind == "postgres" {
				cfg.URL = testenv.PostgresURL(t)
				where = cfg.URL
			}
			first, alone := attend(t, cfg)
			require.True(t, alone)
			second, alone := attend(t, cfg)
			require.False(t, alone)
			require.NoError(t, first.Close())
			third, alone := attend(t, cfg)
			require.False(t, alone, "the second is still there")
			require.NoError(t, second.Close())
			require.NoError(t, third.Close())

			cmd := exec.Command(os.Args[0], "-test.run=^TestAttend$/^"+kind+"$", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), "BANYAN_TEST_ATTENDER="+where)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			_, err = out.Read(make([]byte, 1))
			require.NoError(t, err)
			fourth, alone := attend(t, cfg)
			require.False(t, alone, "another process is there")
			require.NoError(t, fourth.Close())
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait(), "it was killed")
			require.Eventually(t, func() bool {
				c, alone := attend(t, cfg)
				require.NoError(t, c.Close())
				return alone
			}, time.Minute, 20*time.Millisecond, "a dead server counts as one")
		})
	}
}

func attend(t *testing.T, cfg database.Config) (*database.Cluster, bool) {
	t.Helper()
	c, err := database.Open(t.Context(), cfg)
	require.NoError(t, err)
	alone := false
	require.NoError(t, c.Attend(t.Context(), func(context.Context) error { alone = true; return nil }))
	return c, alone
}
