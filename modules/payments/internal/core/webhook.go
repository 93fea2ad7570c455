package core

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/payments"
)

// webhookTolerance is how far the time of a signature may be from ours, so that
// a message that was overheard is of no use later.
const webhookTolerance = 5 * time.Minute

// Notice is a message of the provider about one charge.
type Notice struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Charge Charge `json:"data"`
}

// whole tells whether a notice names what it must, in text that a database takes.
func (n Notice) whole() bool {
	all := n.ID + n.Type + n.Charge.ID + n.Charge.Reference + n.Charge.Key + n.Charge.Reason + n.Charge.Status
	return n.ID != "" && len(n.ID) <= 255 && n.Charge.Reference != "" && !strings.ContainsRune(all, 0)
}

// TakeWebhook hears what the provider tells about a charge.
func (s *Service) TakeWebhook(ctx context.Context, req payments.WebhookRequest) (payments.WebhookReply, error) {
	var none payments.WebhookReply
	if err := s.checkSignature(req); err != nil {
		return none, err
	}
	var n Notice
	if err := json.Unmarshal(req.Body, &n); err != nil || !n.whole() {
		return none, fault.Malformed.Errorf("the message is no notice about a charge")
	}
	if known, err := s.knows(ctx, n.Charge); known || err != nil {
		return none, err
	}
	err := s.Store.Atomic(ctx, func(ctx context.Context) error {
		fresh, err := s.Store.Remember(ctx, n.ID, s.Now())
		if err != nil || !fresh {
			return err
		}
		return s.notice(ctx, n.Charge)
	})
	if err != nil {
		return none, fmt.Errorf("take notice %s: %w", n.ID, err)
	}
	return none, nil
}

// knows tells whether a notice about an authorisation tells nothing new. That is the
// rule, as the provider's answer came before, and then nothing need be written: the
// notice will tell nothing new the next time either.
func (s *Service) knows(ctx context.Context, c Charge) (bool, error) {
	if c.Status != ChargeAuthorised && c.Status != ChargeDeclined {
		return false, nil
	}
	p, found, err := s.Store.ByOrder(ctx, c.Reference)
	if err != nil {
		return false, fmt.Errorf("find the order's payment: %w", err)
	}
	if !found || p.Tombstone() || p.VoidWanted || !ours(p, c) {
		return false, nil
	}
	see(&p, c)
	return !p.Changed(), nil
}

// ours tells whether a charge is the one that was asked for.
func ours(p Payment, c Charge) bool {
	return c.Key == authoriseKey(p.OrderID) && c.Reference == p.OrderID && c.Amount.Amount == p.Amount && c.Amount.Currency == p.Currency
}

// notice believes what a message says of an authorisation, and takes anything
// else as a hint to look at what is still open.
func (s *Service) notice(ctx context.Context, c Charge) error {
	p, found, err := s.Store.ByOrder(ctx, c.Reference)
	if err != nil {
		return err
	}
	if !found || p.Tombstone() || !ours(p, c) {
		s.Log.WarnContext(ctx, "the provider speaks of a charge that is not ours", "charge", c.ID, "order", c.Reference)
		return nil
	}
	if _, err := s.observe(ctx, p, c); err != nil {
		return err
	}
	s.Store.AfterCommit(ctx, s.Wake)
	return s.Store.Hasten(ctx, p.ID, s.Now())
}

// checkSignature follows t=<unix seconds>,v1=<hex HMAC-SHA256 over "t.body">.
func (s *Service) checkSignature(req payments.WebhookRequest) error {
	if s.WebhookSecret == "" {
		return payments.WebhookRefused.Errorf("no webhook secret is set, so no message can be believed")
	}
	var at string
	var given []string
	for part := range strings.SplitSeq(req.Signature, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			at = value
		case "v1":
			given = append(given, value)
		}
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return payments.WebhookRefused.Errorf("the signature has no time")
	}
	if age := s.Now().Sub(time.Unix(seconds, 0)); age.Abs() > webhookTolerance {
		return payments.WebhookRefused.Errorf("the signature's time is more than %s away from ours", webhookTolerance)
	}
	mac := hmac.New(sha256.New, []byte(s.WebhookSecret))
	mac.Write([]byte(at + "."))
	mac.Write(req.Body)
	want := mac.Sum(nil)
	for _, v := range given {
		if got, err := hex.DecodeString(v); err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return payments.WebhookRefused.Errorf("the signature does not fit the message")
}
