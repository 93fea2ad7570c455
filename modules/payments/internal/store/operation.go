package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
)

type operationRow struct {
	ID             string `gorm:"primaryKey"`
	PaymentID      string
	Kind           string
	Amount         int64
	Currency       string
	IdempotencyKey string
	Status         string
	Attempts       int
	NextAt         database.Time
	ClaimedUntil   *database.Time
	TriedAt        *database.Time
	Epoch          int64
	RequestKey     *string
	Fingerprint    string
	Reason         string
	Message        string
	Reply          string
	CreatedAt      database.Time `gorm:"autoCreateTime:false"`
	UpdatedAt      database.Time `gorm:"autoUpdateTime:false"`
}

// TableName tells gorm where rows live.
func (operationRow) TableName() string { return "provider_operations" }

func (r operationRow) operation() core.Operation {
	o := core.Operation{
		ID: r.ID, PaymentID: r.PaymentID, Kind: r.Kind, Amount: r.Amount, Currency: r.Currency, Key: r.IdempotencyKey,
		Status: r.Status, Attempts: r.Attempts, NextAt: r.NextAt.Time, ClaimedUntil: r.ClaimedUntil.Ptr(), TriedAt: r.TriedAt.Ptr(),
		Epoch: r.Epoch, Fingerprint: r.Fingerprint, Reason: r.Reason, Message: r.Message, Reply: r.Reply,
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
	if r.RequestKey != nil {
		o.RequestKey = *r.RequestKey
	}
	return o
}

func operations(rows []operationRow) []core.Operation {
	out := make([]core.Operation, len(rows))
	for i, r := range rows {
		out[i] = r.operation()
	}
	return out
}

// AddOperation adds an operation; false when its key, or its request key, is there already.
func (s *Store) AddOperation(ctx context.Context, o core.Operation) (bool, error) {
	row := operationRowOf(o)
	done := s.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return done.RowsAffected == 1, done.Error
}

// Begin adds a payment and its first operation.
func (s *Store) Begin(ctx context.Context, p core.Payment, o core.Operation) (bool, error) {
	fresh, err := s.Insert(ctx, p)
	if err != nil || !fresh {
		return false, err
	}
	row := operationRowOf(o)
	return true, s.db.Last(ctx).Create(&row).Error
}

func operationRowOf(o core.Operation) operationRow {
	row := operationRow{
		ID: o.ID, PaymentID: o.PaymentID, Kind: o.Kind, Amount: o.Amount, Currency: o.Currency, IdempotencyKey: o.Key,
		Status: o.Status, Attempts: o.Attempts, NextAt: database.At(o.NextAt), ClaimedUntil: database.AtPtr(o.ClaimedUntil), TriedAt: database.AtPtr(o.TriedAt),
		Epoch: o.Epoch, Fingerprint: o.Fingerprint, Reason: o.Reason, Message: o.Message, Reply: o.Reply,
		CreatedAt: database.At(o.CreatedAt), UpdatedAt: database.At(o.UpdatedAt),
	}
	if o.RequestKey != "" {
		row.RequestKey = &o.RequestKey
	}
	return row
}

// OperationByKey finds an operation by its key at the provider.
func (s *Store) OperationByKey(ctx context.Context, key string) (core.Operation, bool, error) {
	return s.operation(ctx, clause.Eq{Column: "idempotency_key", Value: key})
}

// OperationByRequest finds a refund by its caller's key.
func (s *Store) OperationByRequest(ctx context.Context, requestKey string) (core.Operation, bool, error) {
	return s.operation(ctx, clause.Eq{Column: "request_key", Value: requestKey})
}

func (s *Store) operation(ctx context.Context, where clause.Expression) (core.Operation, bool, error) {
	var rows []operationRow
	err := s.db.Conn(ctx).Clauses(clause.Where{Exprs: []clause.Expression{where}}).Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return core.Operation{}, false, err
	}
	return rows[0].operation(), true, nil
}

// OperationsOf gives all operations of some payments.
func (s *Store) OperationsOf(ctx context.Context, paymentIDs ...string) ([]core.Operation, error) {
	var rows []operationRow
	err := s.db.Conn(ctx).Where("payment_id IN ?", paymentIDs).Find(&rows).Error
	return operations(rows), err
}

// Claim takes an open operation that nobody is at, by its key.
func (s *Store) Claim(ctx context.Context, key string, now, until time.Time) (core.Operation, bool, error) {
	var rows []operationRow
	err := s.db.Conn(ctx).Raw(`UPDATE provider_operations SET claimed_until = ?, tried_at = ?, epoch = epoch + 1, updated_at = ?
		WHERE idempotency_key = ? AND status IN ('pending', 'parked') AND (claimed_until IS NULL OR claimed_until <= ?)
		RETURNING *`, database.At(until), database.At(now), database.At(now), key, database.At(now)).Scan(&rows).Error
	if err != nil || len(rows) == 0 {
		return core.Operation{}, false, err
	}
	return rows[0].operation(), true, nil
}

// Unclaim gives open operations back that somebody is at, whoever it is.
func (s *Store) Unclaim(ctx context.Context) error {
	return s.db.Conn(ctx).Exec(`UPDATE provider_operations SET claimed_until = NULL
		WHERE status IN ('pending', 'parked') AND claimed_until IS NOT NULL`).Error
}

const due = `status IN ('pending', 'parked') AND next_at <= ? AND (claimed_until IS NULL OR claimed_until <= ?)`

// Due tells whether ClaimDue would find something.
func (s *Store) Due(ctx context.Context, now time.Time) (bool, error) {
	var found bool
	err := s.db.Conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM provider_operations WHERE `+due+`)`, database.At(now), database.At(now)).Scan(&found).Error
	return found, err
}

// ClaimDue takes open operations whose time has come and that nobody is at.
func (s *Store) ClaimDue(ctx context.Context, now, until time.Time, limit int) ([]core.Operation, error) {
	skip := s.db.SkipLocked()
	var rows []operationRow
	err := s.db.Conn(ctx).Raw(`UPDATE provider_operations SET claimed_until = ?, tried_at = ?, epoch = epoch + 1, updated_at = ?
		WHERE id IN (SELECT id FROM provider_operations WHERE `+due+` ORDER BY next_at, id LIMIT ?`+skip+`)
		RETURNING *`, database.At(until), database.At(now), database.At(now), database.At(now), database.At(now), limit).Scan(&rows).Error
	return operations(rows), err
}

// Settle ends an open operation; false when it was ended already. It asks for no
// epoch: what the provider did is true, whoever learned it.
func (s *Store) Settle(ctx context.Context, key string, end core.Ending) (bool, error) {
	done := s.db.Conn(ctx).Exec(`UPDATE provider_operations SET status = ?, reason = ?, message = ?, reply = ?, claimed_until = NULL, updated_at = ?
		WHERE idempotency_key = ? AND status IN ('pending', 'parked')`, end.Status, end.Reason, end.Message, end.Reply, database.At(end.At), key)
	return done.RowsAffected == 1, done.Error
}

// Release gives a claimed operation back for later, if the claim still holds.
func (s *Store) Release(ctx context.Context, o core.Operation, at time.Time) (bool, error) {
	done := s.db.Conn(ctx).Exec(`UPDATE provider_operations SET status = ?, attempts = ?, message = ?, next_at = ?, claimed_until = NULL
		WHERE id = ? AND epoch = ? AND status IN ('pending', 'parked')`, o.Status, o.Attempts, o.Message, database.At(at), o.ID, o.Epoch)
	return done.RowsAffected == 1, done.Error
}

// Hasten makes open operations of a payment due now.
func (s *Store) Hasten(ctx context.Context, paymentID string, now time.Time) error {
	return s.db.Later(ctx).Exec(`UPDATE provider_operations SET next_at = ?
		WHERE payment_id = ? AND status IN ('pending', 'parked') AND next_at > ?`, database.At(now), paymentID, database.At(now)).Error
}

// Reopen makes an operation due now, also one that ended.
func (s *Store) Reopen(ctx context.Context, key string, now time.Time) error {
	return s.db.Conn(ctx).Exec(`UPDATE provider_operations SET status = 'pending', attempts = 0, reason = '', message = '', next_at = ?, updated_at = ?
		WHERE idempotency_key = ?`, database.At(now), database.At(now), key).Error
}
