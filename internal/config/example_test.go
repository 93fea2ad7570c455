package config

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const examplePath = "../../banyan.example.yaml"

var update = flag.Bool("update", false, "write golden files anew")

func TestExampleFileIsCurrent(t *testing.T) {
	t.Parallel()
	if *update {
		require.NoError(t, os.WriteFile(examplePath, []byte(Example()), 0o644))
	}
	text, err := os.ReadFile(examplePath)
	require.NoError(t, err)
	require.Equal(t, Example(), string(text), "run go test ./internal/config -update")
	for _, k := range Keys() {
		require.Contains(t, string(text), k.Env, k.Name)
		require.NotEmpty(t, k.Doc, k.Name)
	}
}

// Without the first # of each line, the example must be a file that names every
// key and changes nothing.
func TestExampleFileHoldsTheDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(examplePath)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "#")
		if strings.HasPrefix(lines[i], " ") && !strings.HasPrefix(lines[i], "  ") {
			lines[i] = "" // prose at the top and of keys without a group
		}
	}
	path := write(t, strings.Join(lines, "\n"))
	cfg, err := Load(Options{File: path, Environ: []string{}})
	require.NoError(t, err)
	for _, s := range Show(cfg) {
		require.Equal(t, "file", s.Source, "%s is missing in %s", s.Key, examplePath)
	}
	cfg.origins = nil
	want := Defaults()
	if len(cfg.Ports.RabbitMQ) == 0 {
		cfg.Ports.RabbitMQ = nil
	}
	if len(cfg.HTTP.TrustedProxies) == 0 {
		cfg.HTTP.TrustedProxies = nil
	}
	require.Equal(t, want, cfg)
}
