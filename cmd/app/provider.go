package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

// sandboxPath is where the payment sandbox stands on the ops address.
const sandboxPath = "/sandbox/psp"

// sandboxWeight is its share of the PostgreSQL connections.
const sandboxWeight = 3

// provider is the payment sandbox that this process runs. It plays a foreign
// company: payments reaches it over HTTP, like any other provider.
type provider struct {
	handler http.Handler
	admin   func(*http.Request) error // set by the server, which can check tokens
	server  *http.Server              // of its own, for a command without an ops address
}

// openProvider finds the provider that payments talks to, where it runs here: the
// one from the settings, else a sandbox of this process on its own tables. Where
// payments has moved out, the sandbox can stay: a provider does not move along.
func (s *shop) openProvider(ctx context.Context) error {
	if url := s.cfg.Payments.ProviderURL; url != "" {
		s.provider = paymentsmodule.Provider{BaseURL: url, APIKey: s.cfg.Payments.APIKey, WebhookSecret: s.cfg.Payments.WebhookSecret}
	}
	if !sandboxed(s.cfg) {
		return nil
	}
	db, err := s.Data(ctx, "sandbox", sandboxWeight, sandbox.Migrations())
	if err != nil {
		return err
	}
	key, err := orRandom(s.cfg.Payments.APIKey)
	if err != nil {
		return err
	}
	secret, err := orRandom(s.cfg.Payments.WebhookSecret)
	if err != nil {
		return err
	}
	s.psp = &provider{admin: func(*http.Request) error {
		return fault.Unauthenticated.Errorf("the ledger is read on the ops address of a running server")
	}}
	psp, err := sandbox.New(sandbox.Deps{
		DB: db, Now: s.now, NewID: s.newID, Log: s.log, APIKey: key, WebhookURL: s.webhookURL(), WebhookSecret: secret,
		Admin: func(r *http.Request) error { return s.psp.admin(r) },
	})
	if err != nil {
		return err
	}
	s.psp.handler = psp
	s.Tasks = append(s.Tasks, psp.Tasks()...)
	s.provider = paymentsmodule.Provider{APIKey: key, WebhookSecret: secret}
	if s.opsURL != "" {
		s.provider.BaseURL = s.opsURL + sandboxPath
		return nil
	}
	s.provider.BaseURL, err = s.psp.listen()
	return err
}

// webhookURL is where the sandbox tells what became of a charge; only a server
// can be told.
func (s *shop) webhookURL() string {
	if s.shopURL == "" {
		return ""
	}
	return s.shopURL + "/api/v1/payments/webhook"
}

// listen serves the sandbox on a port of its own on the loopback address.
func (p *provider) listen() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	p.server = &http.Server{Handler: p.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }() // ends with close
	return "http://" + l.Addr().String(), nil
}

func (p *provider) close() {
	if p.server != nil {
		_ = p.server.Close()
	}
}

// requireAdmin lets only admins read the ledger, and profiles.
func requireAdmin(verify func(ctx context.Context, token string) (port.Principal, error)) func(*http.Request) error {
	return func(r *http.Request) error {
		token, err := bearer(r)
		if err != nil {
			return err
		}
		p, err := verify(r.Context(), token)
		if err != nil {
			return err
		}
		if !p.Has(port.RoleAdmin) {
			return fault.Forbidden.Errorf("an admin's token is needed")
		}
		return nil
	}
}

func bearer(r *http.Request) (string, error) {
	const scheme = "Bearer "
	given := r.Header.Values("Authorization")
	if len(given) != 1 || !strings.HasPrefix(given[0], scheme) {
		return "", fault.Unauthenticated.Errorf("send an admin's token as \"Authorization: Bearer …\"")
	}
	return given[0][len(scheme):], nil
}

// orRandom is the key that others know too, or one that only this process needs.
func orRandom(shared string) (string, error) {
	if shared != "" {
		return shared, nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return hex.EncodeToString(key), nil
}
