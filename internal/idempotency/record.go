package idempotency

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

const (
	stateFirst   = "first"   // the effect is there, the final answer is not
	stateDone    = "done"    // reply is the answer
	stateRefused = "refused" // fault is the answer
)

// record is a row: what is remembered of one key.
type record struct {
	Scope       string `gorm:"primaryKey"`
	Key         string `gorm:"primaryKey"`
	Fingerprint string
	State       string
	Reply       string         // JSON
	Fault       string         // JSON
	LeaseUntil  *database.Time // until then somebody is finding the final answer
	CreatedAt   database.Time  `gorm:"autoCreateTime:false"`
	ExpiresAt   database.Time
}

// TableName implements gorm's Tabler.
func (record) TableName() string { return "idempotency_keys" }

func (k *Keys) record(key port.IdempotencyKey, state string, reply any, refusal *fault.Error) (record, error) {
	now := k.now()
	r := record{
		Scope: key.Scope, Key: key.Key, Fingerprint: key.Fingerprint, State: state,
		CreatedAt: database.At(now), ExpiresAt: database.At(now.Add(TTL)),
	}
	if refusal != nil {
		b, err := json.Marshal(refusal)
		r.Fault = string(b)
		return r, wrap(err)
	}
	b, err := json.Marshal(reply)
	r.Reply = string(b)
	return r, wrap(err)
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("write down the answer of a keyed command: %w", err)
	}
	return nil
}

// put writes the row over one that is open or expired.
func (k *Keys) put(ctx context.Context, r record) error {
	return wrap(k.db.Later(ctx).Exec(`INSERT INTO idempotency_keys (scope, key, fingerprint, state, reply, fault, lease_until, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state, reply = excluded.reply,
			fault = excluded.fault, lease_until = excluded.lease_until, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		r.Scope, r.Key, r.Fingerprint, r.State, r.Reply, r.Fault, r.LeaseUntil, r.CreatedAt, r.ExpiresAt).Error)
}

// claim makes the key this transaction's until its end. It gives what is
// remembered, nil where this is the first call; with a lease it also takes over an
// answer that nobody is finding any more.
// Codes: InFlight, Reused.
func (k *Keys) claim(ctx context.Context, key port.IdempotencyKey, lease time.Duration) (*record, error) {
	if k.db.Dialect() == database.Postgres { // SQLite has one writer at a time anyway
		var mine bool
		if err := k.db.Conn(ctx).Raw("SELECT pg_try_advisory_xact_lock(?)", k.lock(key)).Scan(&mine).Error; err != nil {
			return nil, fmt.Errorf("lock an idempotency key: %w", err)
		}
		if !mine {
			return nil, inFlight()
		}
	}
	r, err := k.find(ctx, key, true)
	if err != nil || r == nil {
		return nil, err
	}
	if r.Fingerprint != key.Fingerprint {
		return nil, reused()
	}
	if r.State != stateFirst {
		return r, nil
	}
	now := k.now()
	if r.LeaseUntil != nil && now.Before(r.LeaseUntil.Time) {
		return nil, inFlight()
	}
	if lease <= 0 { // who does not wait is answered with the first reply
		return r, nil
	}
	r.LeaseUntil = database.AtPtr(new(now.Add(lease)))
	return r, k.put(ctx, *r)
}

// wait makes the key this transaction's after waiting for others, and gives what is
// remembered.
func (k *Keys) wait(ctx context.Context, key port.IdempotencyKey) (*record, error) {
	if k.db.Dialect() == database.Postgres {
		if err := k.db.Conn(ctx).Exec("SELECT pg_advisory_xact_lock(?)", k.lock(key)).Error; err != nil {
			return nil, fmt.Errorf("lock an idempotency key: %w", err)
		}
	}
	return k.find(ctx, key, true)
}

// find gives the unexpired row, nil where there is none. Who is going to write over
// it locks it: Settle does not know the lock of the key.
func (k *Keys) find(ctx context.Context, key port.IdempotencyKey, lock bool) (*record, error) {
	conn := k.db.Conn(ctx)
	if lock && k.db.Dialect() == database.Postgres {
		conn = conn.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	var rows []record
	err := conn.Where("scope = ? AND key = ? AND expires_at > ?", key.Scope, key.Key, database.At(k.now())).
		Limit(1).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look up an idempotency key: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // no row is no error
	}
	return &rows[0], nil
}

// Inherit ends the leases of answers that somebody was finding, for when it is
// known that whoever it was is gone: a repeat need not wait for the lease to lapse.
func (k *Keys) Inherit(ctx context.Context) error {
	now := k.now()
	err := k.db.Atomic(ctx, func(ctx context.Context) error {
		// A lease is a matter of minutes, so the index leads to the youngest keys.
		return k.db.Conn(ctx).Exec(`UPDATE idempotency_keys SET lease_until = ?
			WHERE expires_at > ? AND state = ? AND lease_until > ?`,
			database.At(now), database.At(now.Add(TTL-time.Hour)), stateFirst, database.At(now)).Error
	})
	if err != nil {
		return fmt.Errorf("inherit the idempotency keys of %s: %w", k.db.Module(), err)
	}
	return nil
}

func reused() error {
	return Reused.Errorf("this idempotency key was used for another request; use a new key for each new request")
}

func inFlight() error {
	return InFlight.Errorf("the first request with this idempotency key is still running; repeat it with the same key in a moment").
		WithDetail("retry_after", "1")
}

// lock is the number under which PostgreSQL locks the key. Two keys that share
// one can at worst make one of them wait.
func (k *Keys) lock(key port.IdempotencyKey) int64 {
	h := fnv.New64a()
	for _, part := range []string{"idempotency", k.db.Module(), key.Scope, key.Key} {
		_, _ = h.Write([]byte(part))
		_, _ = h.Write([]byte{0})
	}
	return int64(h.Sum64()) //nolint:gosec // any 64 bits will do
}
