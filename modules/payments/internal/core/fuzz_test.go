package core_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

// heard is a store that only notes which messages were believed.
type heard struct {
	core.Store
	ids []string
}

func (h *heard) Atomic(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (h *heard) Remember(_ context.Context, id string, _ time.Time) (bool, error) {
	h.ids = append(h.ids, id)
	return true, nil
}

func (h *heard) ByOrder(context.Context, string) (core.Payment, bool, error) {
	return core.Payment{}, false, nil
}

var webhookNow = time.Unix(1_772_366_400, 0)

func listener() (*core.Service, *heard) {
	h := &heard{}
	return core.New(core.Deps{
		Store: h, Now: func() time.Time { return webhookNow }, WebhookSecret: secret, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}), h
}

// FuzzWebhook: without the secret nobody is heard, whatever the signature and body.
func FuzzWebhook(f *testing.F) {
	s, h := listener()
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		_, err := s.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: signature, Body: body})
		require.ErrorIs(t, err, payments.WebhookRefused)
		require.NotContains(t, fault.From(err).Message, secret)
		require.Empty(t, h.ids)
	})
}

// FuzzNotice: a body that is well signed is a notice with an id, or malformed.
func FuzzNotice(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		s, h := listener()
		_, err := s.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: sandbox.Sign(secret, webhookNow, body), Body: body})
		if err != nil {
			require.ErrorIs(t, err, fault.Malformed)
			require.Empty(t, h.ids)
			return
		}
		require.Len(t, h.ids, 1)
		require.NotEmpty(t, h.ids[0])
		require.NotContains(t, h.ids[0], "\x00", "a database would refuse it for ever")
	})
}
