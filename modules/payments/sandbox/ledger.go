package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/money"
)

// Statuses of a charge.
const (
	authorised = "authorised"
	captured   = "captured"
	voided     = "voided"
	refunded   = "refunded"
	declined   = "declined"
)

// chargeRow is one line of the ledger.
type chargeRow struct {
	ID             string
	Reference      string
	Amount         int64
	Currency       string
	Status         string
	Captured       int64
	Refunded       int64
	Reason         string
	IdempotencyKey string
	CreatedAt      database.Time
}

// item is a charge as lists show it.
type item struct {
	ID             string      `json:"id"`
	Reference      string      `json:"reference"`
	Amount         money.Money `json:"amount"`
	Status         string      `json:"status"`
	IdempotencyKey string      `json:"idempotency_key"`
	CreatedAt      time.Time   `json:"created_at"`
}

// charge is all that is known of one. Captured and refunded are minor units of
// the amount's currency.
type charge struct {
	item
	Captured int64  `json:"captured"`
	Refunded int64  `json:"refunded"`
	Reason   string `json:"reason,omitempty"`
}

func (c chargeRow) item() item {
	return item{c.ID, c.Reference, money.Of(c.Amount, c.Currency), c.Status, c.IdempotencyKey, c.CreatedAt.Time}
}

func (c chargeRow) full() charge { return charge{c.item(), c.Captured, c.Refunded, c.Reason} }

const columns = `id, reference, amount, currency, status, captured, refunded, reason, idempotency_key, created_at`

func (s *Sandbox) byKey(ctx context.Context, key string) (chargeRow, bool, error) {
	return s.one(ctx, `SELECT `+columns+` FROM charges WHERE idempotency_key = ?`, key)
}

func (s *Sandbox) byID(ctx context.Context, id string) (chargeRow, bool, error) {
	return s.one(ctx, `SELECT `+columns+` FROM charges WHERE id = ?`, id)
}

func (s *Sandbox) one(ctx context.Context, query string, args ...any) (chargeRow, bool, error) {
	rows, err := s.rows(ctx, query, args...)
	if err != nil || len(rows) == 0 {
		return chargeRow{}, false, err
	}
	return rows[0], true, nil
}

func (s *Sandbox) rows(ctx context.Context, query string, args ...any) ([]chargeRow, error) {
	var rows []chargeRow
	if err := s.DB.Conn(ctx).Raw(query, args...).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return rows, nil
}

// addCharge keeps a charge and gives the one that its key stands for: the first,
// when two requests with the same key race.
func (s *Sandbox) addCharge(ctx context.Context, c chargeRow) (kept chargeRow, err error) {
	c.CreatedAt = database.At(s.Now())
	err = s.DB.Atomic(ctx, func(ctx context.Context) error {
		done := s.DB.Conn(ctx).Exec(`INSERT INTO charges (`+columns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (idempotency_key) DO NOTHING`,
			c.ID, c.Reference, c.Amount, c.Currency, c.Status, c.Captured, c.Refunded, c.Reason, c.IdempotencyKey, c.CreatedAt)
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 1 {
			kept = c
			return s.announce(ctx, c)
		}
		first, _, err := s.byKey(ctx, c.IdempotencyKey)
		kept = first
		return err
	})
	if err != nil {
		return chargeRow{}, fmt.Errorf("keep a charge: %w", err)
	}
	return kept, nil
}

// fails counts one more failure of a key and gives their number.
func (s *Sandbox) fails(ctx context.Context, key string) (times int, err error) {
	err = s.DB.Atomic(ctx, func(ctx context.Context) error {
		return s.DB.Conn(ctx).Raw(`INSERT INTO failures (idempotency_key, times) VALUES (?, 1)
			ON CONFLICT (idempotency_key) DO UPDATE SET times = failures.times + 1 RETURNING times`, key).Scan(&times).Error
	})
	if err != nil {
		return 0, fmt.Errorf("count a failure: %w", err)
	}
	return times, nil
}

// announce keeps a webhook in the transaction of the change it tells of.
func (s *Sandbox) announce(ctx context.Context, c chargeRow) error {
	if s.WebhookURL == "" {
		return nil
	}
	id := "evt_" + s.NewID()
	body, err := json.Marshal(struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data charge `json:"data"`
	}{id, "charge." + c.Status, c.full()})
	if err != nil {
		return fmt.Errorf("write a webhook: %w", err)
	}
	err = s.DB.Later(ctx).Exec(`INSERT INTO webhooks (id, body, attempts, next_at) VALUES (?, ?, 0, ?)`, id, string(body), database.At(s.Now())).Error
	if err != nil {
		return fmt.Errorf("keep a webhook: %w", err)
	}
	s.DB.AfterCommit(ctx, s.raise)
	return nil
}

func (s *Sandbox) raise() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
