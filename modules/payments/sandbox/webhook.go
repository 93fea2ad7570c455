package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
)

const (
	webhookLimit   = 5 * time.Second // of one delivery
	webhookTries   = 20              // then nobody is told any more
	webhookPoll    = time.Second
	webhookLease   = 10 * time.Second
	webhookBatch   = 16
	longestBackOff = 5 * time.Minute
	// Webhooks that follow others closely wait this long for more, and go together.
	webhookGather = 50 * time.Millisecond
	webhookSoon   = time.Second
)

// Sign makes the header Sandbox-Signature of a webhook: when it was signed, and
// the HMAC-SHA256 over "<unix seconds>.<body>" in hexadecimal.
func Sign(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

type webhookRow struct {
	ID       string
	Body     string
	Attempts int
}

// sendWebhooks sends what is due until ctx ends.
func (s *Sandbox) sendWebhooks(ctx context.Context) error {
	tick := time.NewTicker(webhookPoll)
	defer tick.Stop()
	var began time.Time
	for {
		if s.Now().Sub(began) < webhookSoon {
			select {
			case <-ctx.Done():
			case <-time.After(webhookGather):
			}
		}
		select {
		case <-s.wake: // whatever it was is sent now
		default:
		}
		began = s.Now()
		if err := s.sendDue(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "webhooks of the sandbox wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

func (s *Sandbox) sendDue(ctx context.Context) error {
	for ctx.Err() == nil {
		var some bool
		now := database.At(s.Now())
		err := s.DB.Conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM webhooks WHERE next_at <= ?)`, now).Scan(&some).Error
		if err != nil || !some {
			return err
		}
		rows, err := s.claimWebhooks(ctx)
		if err != nil {
			return fmt.Errorf("claim webhooks: %w", err)
		}
		var done []string
		failed := map[webhookRow]error{}
		for _, row := range rows {
			if err := s.deliver(ctx, row); err != nil {
				failed[row] = err
				continue
			}
			done = append(done, row.ID)
		}
		if err := s.settleWebhooks(ctx, done, failed); err != nil {
			return fmt.Errorf("note webhooks: %w", err)
		}
	}
	return nil
}

// claimWebhooks takes due webhooks; whoever dies with them leaves them to be sent
// again, which their reader recognises by the id.
func (s *Sandbox) claimWebhooks(ctx context.Context) (rows []webhookRow, err error) {
	skip := s.DB.SkipLocked()
	err = s.DB.AtomicUnsynced(ctx, func(ctx context.Context) error {
		now := s.Now()
		rows = nil
		return s.DB.Last(ctx).Raw(`UPDATE webhooks SET next_at = ?, attempts = attempts + 1
			WHERE id IN (SELECT id FROM webhooks WHERE next_at <= ? ORDER BY next_at, id LIMIT ?`+skip+`)
			RETURNING id, body, attempts`, database.At(now.Add(webhookLease)), database.At(now), webhookBatch).Scan(&rows).Error
	})
	return rows, err
}

func (s *Sandbox) deliver(ctx context.Context, row webhookRow) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.WebhookURL, strings.NewReader(row.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sandbox-Signature", Sign(s.WebhookSecret, s.Now(), []byte(row.Body)))
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, bodyLimit))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the shop answered %d", res.StatusCode)
	}
	return nil
}

// settleWebhooks forgets those that were taken, and puts off those that were not.
func (s *Sandbox) settleWebhooks(ctx context.Context, done []string, failed map[webhookRow]error) error {
	return s.DB.AtomicUnsynced(context.WithoutCancel(ctx), func(ctx context.Context) error {
		gone := done
		for row, failure := range failed {
			if row.Attempts >= webhookTries {
				s.Log.WarnContext(ctx, "a webhook of the sandbox is given up", "event", row.ID, "error", failure)
				gone = append(gone[:len(gone):len(gone)], row.ID)
				continue
			}
			most := min(longestBackOff, 500*time.Millisecond<<min(row.Attempts, 12))
			next := s.Now().Add(most/10 + rand.N(most))
			if err := s.DB.Later(ctx).Exec(`UPDATE webhooks SET next_at = ? WHERE id = ?`, database.At(next), row.ID).Error; err != nil {
				return err
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return s.DB.Later(ctx).Exec(`DELETE FROM webhooks WHERE id IN ?`, gone).Error
	})
}
