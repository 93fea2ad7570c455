package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
)

// TestForgedWebhooks: a payment whose outcome nobody knows yet is not changed by any
// message but the provider's own, and by that one once.
func TestForgedWebhooks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.line.swallow()
		_, err := b.Authorize(b.shop(), request("o1", "tok_visa"))
		require.ErrorIs(t, err, payments.ProviderUnavailable)
		b.line.down() // so that only a webhook can tell
		now := b.clock.Now()
		id := b.payment("o1").ID
		body := func(event, key, order, status, currency string, amount string) []byte {
			return []byte(`{"id":"` + event + `","type":"charge.x","data":{"id":"ch_1","idempotency_key":"` + key + `","reference":"` + order +
				`","amount":{"amount":` + amount + `,"currency":"` + currency + `"},"status":"` + status + `"}}`)
		}
		key := b.keyOf("o1")
		good := body("evt_good", key, "o1", "authorised", "USD", "10000")
		sign := func(at time.Time, body []byte) string { return sandbox.Sign(secret, at, body) }
		sum := func(signature string) string { return signature[len("t=1234567890,v1="):] }
		real := sign(now, good)
		unix := real[:len("t=1234567890")]
		for name, c := range map[string]struct {
			signature string
			body      []byte
		}{
			"none":                    {"", good},
			"no time":                 {"v1=" + sum(real), good},
			"no sum":                  {unix, good},
			"an empty sum":            {unix + ",v1=", good},
			"sum cut":                 {real[:len(real)-2], good},
			"sum longer":              {real + "00", good},
			"sum odd":                 {real[:len(real)-1], good},
			"another sum":             {unix + ",v1=" + sum(sign(now, body("x", key, "o1", "declined", "USD", "10000"))), good},
			"another secret":          {sandbox.Sign("whsec_other", now, good), good},
			"no secret":               {sandbox.Sign("", now, good), good},
			"the body's, no time":     {unix + ",v1=" + sum(sandbox.Sign(secret, time.Unix(0, 0), good)), good},
			"6 minutes old":           {sign(now.Add(-6*time.Minute), good), good},
			"6 minutes early":         {sign(now.Add(6*time.Minute), good), good},
			"old, with a new time":    {unix + ",v1=" + sum(sign(now.Add(-6*time.Minute), good)), good},
			"two times, the old last": {unix + ",t=1234567890,v1=" + sum(real), good},
			"a time far away":         {"t=9223372036854775807,v1=" + sum(real), good},
			"a time before":           {"t=-9223372036854775808,v1=" + sum(real), good},
			"a time in words":         {"t=now,v1=" + sum(real), good},
			"time with a fraction":    {unix + ".0,v1=" + sum(real), good},
			"time with a plus":        {"t=+" + unix[2:] + ",v1=" + sum(real), good},
			"time in hexadecimal":     {"t=0x69a42e40,v1=" + sum(real), good},
			"version 0":               {unix + ",v0=" + sum(real), good},
			"semicolon":               {unix + ";v1=" + sum(real), good},
			"status changed":          {real, body("evt_good", key, "o1", "declined", "USD", "10000")},
			"amount changed":          {real, body("evt_good", key, "o1", "authorised", "USD", "1")},
			"a space more":            {real, append([]byte(" "), good...)},
			"a line more":             {real, append([]byte{}, append(good, '\n')...)},
			"cut":                     {real, good[:len(good)-1]},
			"empty":                   {real, nil},
		} {
			_, err := b.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: c.signature, Body: c.body})
			require.ErrorIs(t, err, payments.WebhookRefused, name)
			require.Equal(t, payments.Pending, b.payment("o1").Status, name)
		}
		for name, raw := range map[string][]byte{ // well signed, and still of no effect
			"another order":    body("evt_1", key, "o2", "authorised", "USD", "10000"),
			"another key":      body("evt_2", "authorise:o2", "o1", "authorised", "USD", "10000"),
			"another amount":   body("evt_3", key, "o1", "authorised", "USD", "9999"),
			"another currency": body("evt_4", key, "o1", "authorised", "EUR", "10000"),
			"unknown status":   body("evt_5", key, "o1", "approved", "USD", "10000"),
		} {
			_, err := b.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: sign(now, raw), Body: raw})
			require.NoError(t, err, name)
			require.Equal(t, payments.Pending, b.payment("o1").Status, name)
		}
		for _, raw := range []string{`null`, `[]`, `{}`, `{"id":"e"}`, `{"data":{"reference":"o1"}}`, `{"id":"e\u0000","data":{"reference":"o1"}}`, `{"id":1}`, "\xff"} {
			_, err := b.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: sign(now, []byte(raw)), Body: []byte(raw)})
			require.ErrorIs(t, err, fault.Malformed, raw)
		}
		for range 3 { // the real one, and replays of it
			_, err := b.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: "v1=00," + real + ",v1=zz", Body: good})
			require.NoError(t, err)
			require.Equal(t, payments.Authorised, b.payment("o1").Status)
		}
		require.Equal(t, []string{"payments.authorised"}, b.events(id))
		declined := body("evt_late", key, "o1", "declined", "USD", "10000")
		_, err = b.TakeWebhook(t.Context(), payments.WebhookRequest{Signature: sign(now, declined), Body: declined})
		require.NoError(t, err)
		require.Equal(t, payments.Authorised, b.payment("o1").Status, "a payment only moves forward")
	})
}

// keyOf is the key under which the order's charge is made.
func (b *bundle) keyOf(orderID string) string {
	b.t.Helper()
	var key string
	require.NoError(b.t, b.db.Conn(b.t.Context()).Raw(`SELECT idempotency_key FROM provider_operations WHERE payment_id = ?`, b.payment(orderID).ID).Scan(&key).Error)
	return key
}
