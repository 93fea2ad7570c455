package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzFile: a settings file is read, or every problem says where it is.
func FuzzFile(f *testing.F) {
	keys := Keys()
	f.Fuzz(func(t *testing.T, text string) {
		l, problems, err := parseFile("f", []byte(text), keys)
		if err != nil {
			require.ErrorContains(t, err, "read the settings file f")
			return
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for _, p := range problems {
			line, err := strconv.Atoi(strings.TrimPrefix(p.Where, "f:"))
			require.NoError(t, err, p.Where)
			require.LessOrEqual(t, line, lines)
			require.NotEmpty(t, p.Detail)
		}
		for _, k := range keys {
			if raw, ok := l.values[k.Name]; ok {
				_, _ = decode(k, raw)
			}
		}
	})
}

// FuzzLoad puts one value at one key, by the file, the environment and a flag. What
// is taken obeys its rule; what is not is told without showing a secret; and what is
// shown, set again, gives the same settings.
func FuzzLoad(f *testing.F) {
	keys := Keys()
	f.Fuzz(func(t *testing.T, at uint8, value string) {
		k := keys[int(at)%len(keys)]
		if k.Secret && !k.urlSecret && value != "" {
			value = strings.ReplaceAll(value, marker, "") + marker
		} else {
			value = strings.ReplaceAll(value, marker, "")
		}
		others := []string{}
		switch k.Name { // what these keys need beside them
		case "admin.password":
			others = append(others, "BANYAN_ADMIN_EMAIL=a@example.com")
		case "payments.provider_url":
			others = append(others, "BANYAN_PAYMENTS_API_KEY=k")
		}
		cfg, err := Load(Options{Environ: append(others, k.Env+"="+value)})
		checkLoaded(t, cfg, err)
		byFlag, flagErr := Load(Options{Environ: others, Flags: map[string]string{k.Name: value}})
		checkLoaded(t, byFlag, flagErr)
		if value != "" {
			require.Equal(t, err == nil, flagErr == nil, "a flag allows what the environment allows")
		}
		if err != nil || value == "" {
			return
		}
		field := func(c Config) any { return reflect.ValueOf(c).FieldByIndex(k.index).Interface() }
		require.Equal(t, field(cfg), field(byFlag))
		text := render(reflect.ValueOf(cfg).FieldByIndex(k.index))
		if text == "" || k.typ == reflect.TypeFor[[]string]() {
			return
		}
		again, err := Load(Options{Environ: append(others, k.Env+"="+text)})
		require.NoError(t, err)
		require.Equal(t, field(cfg), field(again), "%q is shown as %q", value, text)
	})
}

// marker makes a secret one that no other text contains.
const marker = "sesame0open1sesame"

func checkLoaded(t *testing.T, cfg Config, err error) {
	t.Helper()
	shown := ""
	if err != nil {
		var wrong *Error
		require.ErrorAs(t, err, &wrong)
		require.Zero(t, cfg)
		shown = err.Error()
	} else {
		for _, s := range Show(cfg) {
			shown += s.Value + "\n"
		}
		require.True(t, cfg.HTTP.BodyLimit >= 1024 && cfg.HTTP.BodyLimit <= 100<<20)
		require.True(t, cfg.HTTP.ReadTimeout > 0 && cfg.HTTP.ReadTimeout <= time.Hour)
		require.True(t, cfg.Ports.LoopbackSample >= 0 && cfg.Ports.LoopbackSample <= 1)
		require.True(t, cfg.Database.Pool >= 1 && cfg.Database.Pool <= 1000)
		require.GreaterOrEqual(t, cfg.Events.Retention, 24*time.Hour)
	}
	require.NotContains(t, shown, marker, "secrets are never shown")
}

// oneLine takes out what YAML takes for the end of a line.
var oneLine = strings.NewReplacer("\n", "", "\r", "", "\u0085", "", "\u2028", "", "\u2029", "")

// FuzzSecretInFile: a settings file that is broken in whatever way around a secret
// never has that secret in what is said about it.
func FuzzSecretInFile(f *testing.F) {
	const secret = "hunter2hunter2"
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, before, around, after string) {
		around = oneLine.Replace(strings.ReplaceAll(around, secret, "")) // a key is named, and is no place for a secret
		text := strings.ReplaceAll(before, secret, "") + "\nadmin:\n  password: " +
			strings.ReplaceAll(around, "%", secret) + "\n" + strings.ReplaceAll(after, secret, "")
		file, err := os.CreateTemp(dir, "")
		require.NoError(t, err)
		path := file.Name()
		_, err = file.WriteString(text)
		require.NoError(t, errors.Join(err, file.Close()))
		defer func() { _ = os.Remove(path) }()
		cfg, err := Load(Options{File: path, Environ: []string{}})
		if err != nil {
			require.NotContains(t, err.Error(), secret)
			require.Contains(t, err.Error(), filepath.Base(path))
			return
		}
		require.NotContains(t, fmt.Sprint(Show(cfg)), secret)
	})
}

// FuzzValues: lengths of time, sizes and addresses are within int64, never negative
// where they cannot be, and are read back from how they are written.
func FuzzValues(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDuration(text); err == nil {
			again, err := parseDuration(renderDuration(d))
			require.NoError(t, err)
			require.Equal(t, d, again)
		}
		if b, err := parseBytes(text); err == nil {
			require.True(t, b >= 0 && b <= 1<<60, b)
			again, err := parseBytes(b.String())
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
		if s, err := parseSwitch(text); err == nil {
			again, err := parseSwitch(Switch(s).String())
			require.NoError(t, err)
			require.Equal(t, s, again)
		}
		if listenAddr(text) {
			require.Contains(t, text, ":")
			require.NotContains(t, text, " ")
			require.NotContains(t, text, "/")
		}
		if postgresURL(text) {
			require.True(t, strings.HasPrefix(strings.ToLower(text), "postgres"), text)
		}
	})
}
