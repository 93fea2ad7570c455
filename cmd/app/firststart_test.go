package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/config"
	"github.com/banyan-tree/banyan/internal/telemetry"
	"github.com/banyan-tree/banyan/modules/identity"
)

// starter is a shop that starts again and again on the same data.
type starter struct {
	shop *shop
	log  *bytes.Buffer
}

func setupStarter(t *testing.T) *starter {
	t.Helper()
	cfg := config.Defaults()
	cfg.Data.Dir = t.TempDir()
	written := &bytes.Buffer{}
	log, err := telemetry.NewLogger(written, telemetry.LogOptions{Level: "info", Format: "text"})
	require.NoError(t, err)
	shop, err := openShop(t.Context(), cfg, log)
	require.NoError(t, err)
	t.Cleanup(shop.close)
	return &starter{shop: shop, log: written}
}

// start gives what one start logs, and what it greets with.
func (s *starter) start(t *testing.T, first func(s *server, ctx context.Context) error) (logged, greeted string) {
	t.Helper()
	s.log.Reset()
	var out strings.Builder
	srv := &server{shop: s.shop, stdout: &out}
	require.NoError(t, first(srv, operator(t.Context())))
	srv.greet()
	return s.log.String(), out.String()
}

func (s *starter) logIn(t *testing.T, email, password string) error {
	t.Helper()
	_, err := s.shop.contracts.identity.LogIn(t.Context(), identity.LogInRequest{Email: email, Password: password})
	return err
}

// Each start gives the admin of the settings the role and the password of the
// settings, and says so where that changes a user who was there already.
func TestAdminOfTheSettings(t *testing.T) {
	t.Parallel()
	s := setupStarter(t)
	start := func() string {
		logged, _ := s.start(t, func(srv *server, ctx context.Context) error { return srv.firstStart(ctx, false) })
		return logged
	}
	s.shop.cfg.Admin = config.Admin{Email: "boss@example.com", Password: "the password of a boss"}
	require.Empty(t, start(), "a new one")
	require.Empty(t, start(), "nothing to change")

	s.shop.cfg.Admin.Password = "another password of a boss"
	logged := start()
	require.Equal(t, 1, strings.Count(logged, "\n"), logged)
	for _, part := range []string{"WARN", "email=boss@example.com", "changed=password\n"} {
		require.Contains(t, logged, part)
	}
	require.NoError(t, s.logIn(t, "boss@example.com", "another password of a boss"))

	_, err := s.shop.contracts.identity.Register(t.Context(), identity.RegisterRequest{Email: "carl@example.com", Password: "the password of carl", Name: "Carl"})
	require.NoError(t, err)
	s.shop.cfg.Admin = config.Admin{Email: "carl@example.com", Password: "the password of carl"}
	logged = start()
	require.Equal(t, 1, strings.Count(logged, "\n"), logged)
	require.Contains(t, logged, "changed=role\n")
	require.Empty(t, start())
}

// The demo's admin keeps a password that somebody set, and no other is printed.
func TestDemoAdminKeepsItsPassword(t *testing.T) {
	t.Parallel()
	s := setupStarter(t)
	start := func() (logged, greeted string) { return s.start(t, (*server).demoAdmin) }
	logged, greeted := start()
	require.Empty(t, logged)
	file := (&server{shop: s.shop}).demoPasswordFile()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	made := strings.TrimSpace(string(raw))
	require.Contains(t, greeted, demoAdmin+"  password "+made)
	_, greeted = start()
	require.Contains(t, greeted, demoAdmin+"  password "+made)

	var out, problems strings.Builder
	args := []string{"user", "grant", demoAdmin, "--role", "admin", "--password-stdin", "--data-dir", s.shop.cfg.Data.Dir}
	require.Equal(t, exitOK, execute(t.Context(), args, strings.NewReader("a password of my own\n"), &out, &problems), problems.String())
	logged, greeted = start()
	require.Empty(t, logged)
	require.NotContains(t, greeted, made)
	require.Contains(t, greeted, demoAdmin+"  with the password that was set since; to get a new one, remove "+file)
	require.NoError(t, s.logIn(t, demoAdmin, "a password of my own"))

	require.NoError(t, os.Remove(file))
	logged, greeted = start()
	require.Contains(t, logged, "changed=password\n")
	raw, err = os.ReadFile(file)
	require.NoError(t, err)
	require.NotEqual(t, made, strings.TrimSpace(string(raw)))
	require.Contains(t, greeted, demoAdmin+"  password "+strings.TrimSpace(string(raw)))
	require.NoError(t, s.logIn(t, demoAdmin, strings.TrimSpace(string(raw))))
}
