package sandbox

import (
	"context"
	"fmt"
	"net/http"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/money"
)

// moves are the changes of a charge, each with the condition under which it may
// happen, checked and made by one statement. Each takes the amount twice.
var moves = map[string]string{
	"capture": `UPDATE charges SET status = 'captured', captured = ? WHERE id = ? AND status = 'authorised' AND amount >= ?`,
	"void":    `UPDATE charges SET status = 'voided', captured = 0 * ? WHERE id = ? AND status = 'authorised' AND 0 <= ?`,
	"refund":  `UPDATE charges SET status = 'refunded', refunded = refunded + ? WHERE id = ? AND status IN ('captured', 'refunded') AND captured - refunded >= ?`,
}

// outcome of an action.
type outcome int

const (
	acted outcome = iota
	unknownCharge
	keyReused
	notAllowed
	wrongAmount
)

// act makes the handler of an action. The same key gives the charge again without
// acting twice.
func (s *Sandbox) act(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Amount money.Money `json:"amount"`
		}
		key, ok := readRequest(w, r, &req)
		if !ok {
			return
		}
		c, result, err := s.do(r.Context(), kind, r.PathValue("id"), key, req.Amount)
		switch {
		case err != nil:
			s.broken(w, r, err)
		case result == unknownCharge:
			refuse(w, http.StatusNotFound, "unknown_charge", "there is no such charge")
		case result == keyReused:
			refuse(w, http.StatusUnprocessableEntity, "idempotency_key_reused", "the key was used for something else")
		case result == wrongAmount:
			refuse(w, http.StatusBadRequest, "invalid_amount", "give an amount above 0 in the currency of the charge")
		case result == notAllowed:
			refuse(w, http.StatusConflict, "not_allowed", fmt.Sprintf("cannot %s this: the charge is %s, %d of %d captured, %d refunded", kind, c.Status, c.Captured, c.Amount, c.Refunded))
		default:
			answer(w, http.StatusOK, c.full())
		}
	}
}

// do acts on a charge once per key.
func (s *Sandbox) do(ctx context.Context, kind, chargeID, key string, amount money.Money) (c chargeRow, result outcome, err error) {
	if kind == "void" {
		amount = money.Money{}
	}
	err = s.DB.Atomic(ctx, func(ctx context.Context) error {
		conn := s.DB.Conn(ctx)
		var found bool
		result = acted
		if c, found, err = s.byID(ctx, chargeID); err != nil {
			return err
		}
		switch {
		case !found:
			result = unknownCharge
			return nil
		case kind != "void" && (amount.Currency != c.Currency || amount.Amount < 0 || amount.Amount == 0 && kind == "refund"):
			result = wrongAmount
			return nil
		}
		added := conn.Exec(`INSERT INTO actions (idempotency_key, charge_id, kind, amount, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			key, chargeID, kind, amount.Amount, database.At(s.Now()))
		if added.Error != nil {
			return fmt.Errorf("keep an action: %w", added.Error)
		}
		if added.RowsAffected == 0 {
			return s.again(ctx, kind, chargeID, key, amount, &c, &result)
		}
		moved := conn.Exec(moves[kind], amount.Amount, chargeID, amount.Amount)
		if moved.Error != nil {
			return fmt.Errorf("change a charge: %w", moved.Error)
		}
		if c, _, err = s.byID(ctx, chargeID); err != nil {
			return err
		}
		if moved.RowsAffected == 0 {
			result = notAllowed
			return conn.Exec(`DELETE FROM actions WHERE idempotency_key = ?`, key).Error
		}
		return s.announce(ctx, c)
	})
	return c, result, err
}

// again judges a repeated key.
func (s *Sandbox) again(ctx context.Context, kind, chargeID, key string, amount money.Money, c *chargeRow, result *outcome) error {
	var first struct {
		ChargeID, Kind string
		Amount         int64
	}
	err := s.DB.Conn(ctx).Raw(`SELECT charge_id, kind, amount FROM actions WHERE idempotency_key = ?`, key).Scan(&first).Error
	if err != nil {
		return fmt.Errorf("read an action: %w", err)
	}
	if first.ChargeID != chargeID || first.Kind != kind || first.Amount != amount.Amount {
		*result = keyReused
		return nil
	}
	*c, _, err = s.byID(ctx, chargeID)
	return err
}
