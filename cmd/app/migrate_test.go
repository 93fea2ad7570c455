package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// app migrate makes the tables that serve would make with the same settings: those
// of the modules that run here, and the sandbox's where that does.
func TestMigrateMakesWhatServeNeeds(t *testing.T) {
	t.Parallel()
	all := moduleNames()
	most := slices.DeleteFunc(moduleNames(), func(m string) bool { return m == "payments" })
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"all modules":   {nil, append(slices.Clone(all), "sandbox")},
		"some modules":  {some("shipping,cart"), []string{"shipping", "cart"}},
		"real provider": {[]string{"--payments-provider-url", "https://psp.example", "--payments-api-key", "key"}, all},
		"the sandbox stays": {
			append(some(strings.Join(most, ",")), "--payments-sandbox", "on", "--payments-api-key", "key", "--payments-webhook-secret", "secret"),
			append(slices.Clone(most), "sandbox"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			for _, command := range [][]string{{"migrate", "--json"}, {"migrate", "--status", "--json"}} {
				var out, problems strings.Builder
				args := slices.Concat(command, []string{"--data-dir", dir}, c.args)
				require.Equal(t, exitOK, execute(t.Context(), args, strings.NewReader(""), &out, &problems), problems.String())
				var rows []migrationRow
				require.NoError(t, json.Unmarshal([]byte(out.String()), &rows))
				var names []string
				for _, r := range rows {
					names = append(names, r.Module)
					require.Zero(t, r.Pending, r.Module)
				}
				require.ElementsMatch(t, c.want, slices.Compact(names))
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.db"))
			require.NoError(t, err)
			require.Len(t, files, len(c.want), "%v", files)
		})
	}
}
