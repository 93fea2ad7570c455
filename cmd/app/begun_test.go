package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/telemetry"
)

// A module whose file is gone beside those of others is begun anew, and that is told
// in the log and where the shop opens: a backup may be the better beginning.
func TestMissingDataAreTold(t *testing.T) {
	t.Parallel()
	cfg := config.Defaults()
	cfg.Data.Dir = t.TempDir()
	opens := func() (log, says string) {
		var logged, printed strings.Builder
		logger, err := telemetry.NewLogger(&logged, telemetry.LogOptions{Level: "warn", Format: "text"})
		require.NoError(t, err)
		shop, err := openShop(t.Context(), cfg, logger)
		require.NoError(t, err)
		(&server{shop: shop, stdout: &printed}).greet()
		shop.close()
		return logged.String(), printed.String()
	}
	quiet := func(when string) {
		log, says := opens()
		require.Empty(t, log, when)
		require.NotContains(t, says, "WARNING", when)
	}
	quiet("a new shop")
	quiet("nothing is missing")

	gone := filepath.Join(cfg.Data.Dir, "orders.db")
	lost, err := filepath.Glob(gone + "*")
	require.NoError(t, err)
	for _, file := range lost {
		require.NoError(t, os.Remove(file))
	}
	log, says := opens()
	require.Contains(t, log, "level=WARN")
	require.Contains(t, log, "restore the data of all modules from one backup")
	require.Contains(t, log, "["+gone+"]")
	require.Contains(t, says, "have been begun anew:\n\n  "+gone+"\n\nIf they were lost, stop the shop,")
	quiet("it is there again")
}
