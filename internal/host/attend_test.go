package host

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/internal/testenv"
)

// The second server on the same SQLite files says what follows from that; on
// PostgreSQL, which is for several, none does.
func TestSecondServerOnTheSameFilesIsTold(t *testing.T) {
	t.Parallel()
	for kind, tells := range map[string]bool{"sqlite": true, "postgres": false} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := config.Defaults()
			cfg.Data.Dir = t.TempDir()
			if kind == "postgres" {
				cfg.Database.URL = testenv.PostgresURL(t)
			}
			attend := func() (*Host, string) {
				var logged strings.Builder
				log, err := telemetry.NewLogger(&logged, telemetry.LogOptions{Level: "warn", Format: "text"})
				require.NoError(t, err)
				h, err := Open(t.Context(), Deps{Config: cfg, Log: log})
				require.NoError(t, err)
				require.NoError(t, h.Attend(t.Context()))
				return h, logged.String()
			}
			first, log := attend()
			require.Empty(t, log, "it is alone")
			second, log := attend()
			if tells {
				require.Contains(t, log, "level=WARN")
				for _, says := range []string{"another server has the same data", "identity.issuer", "database.url", cfg.Data.Dir} {
					require.Contains(t, log, says)
				}
			} else {
				require.Empty(t, log)
			}
			first.Close()
			second.Close()
			third, log := attend()
			require.Empty(t, log, "the others have gone")
			third.Close()
		})
	}
}
