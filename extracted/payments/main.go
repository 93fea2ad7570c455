// Command payments is the payments module as a service of its own: the same code,
// the same tables, another process. README.md here says how it moved and how it
// moves back.
package main

import (
	"errors"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/host"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentsmodule"
)

func main() {
	host.Run(host.Service{
		Module: "payments", Weight: 7, Migrations: paymentsmodule.Migrations(), Build: build,
		Needs: []string{"BANYAN_PAYMENTS_PROVIDER_URL", "BANYAN_PAYMENTS_API_KEY", "BANYAN_PAYMENTS_WEBHOOK_SECRET"},
	})
}

func build(h *host.Host, db *database.DB) (host.Part, error) {
	cfg := h.Config.Payments
	if cfg.ProviderURL == "" {
		return host.Part{}, errors.New("payments.provider_url: name the payment provider; the shop's sandbox is at /sandbox/psp of its ops address where payments.sandbox is on")
	}
	m, err := paymentsmodule.New(paymentsmodule.Deps{
		DB: db, Now: clock.System, NewID: id.V7, Log: h.Log, Metrics: h.Metrics,
		Provider: paymentsmodule.Provider{BaseURL: cfg.ProviderURL, APIKey: cfg.APIKey, WebhookSecret: cfg.WebhookSecret},
	})
	if err != nil {
		return host.Part{}, err
	}
	return host.Part{
		Serve:  func(s *port.Server) { payments.Serve(s, m.Service) },
		Outbox: m.Outbox, Consumer: m.Consumer, Tasks: m.Tasks, Checks: m.Checks, Inherit: m.Inherit, Health: m.Health,
	}, nil
}
