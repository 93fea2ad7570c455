// Package idempotency remembers, in the effect's own transaction, what a keyed
// command answered, so that the same key gives the same answer for 24 hours on
// any instance, across a crash.
package idempotency

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
)

// Codes a keyed command can answer with.
var (
	Missing  = fault.Define("idempotency_key.missing", fault.KindMalformed)
	Reused   = fault.Define("idempotency_key.reused", fault.KindInvalid)
	InFlight = fault.Define("idempotency_key.in_flight", fault.KindConflict)
)

// TTL is how long an answer is remembered.
const TTL = 24 * time.Hour

// Keys is the memory of one module, in that module's database.
type Keys struct{}

// New makes the memory of the module that owns db.
func New(db *database.DB, now clock.Clock) *Keys { panic("kit") }

// Do runs fn in a transaction once per key of ctx (port.IdempotencyKeyFrom) and
// remembers its reply in that transaction; a refusal (a fault that is not
// retryable) is remembered after the rollback. A repeat gets the remembered
// reply or refusal and port.MarkReplayed; another fingerprint gets Reused; a
// repeat while the first still runs gets InFlight. Without a key, fn just runs in a transaction.
func Do[Rep any](ctx context.Context, k *Keys, fn func(ctx context.Context) (Rep, error)) (Rep, error) {
	panic("kit")
}

// Finish is Do for a command whose answer is only known some time after its
// effect: fn commits the effect, then wait (outside any transaction) gives the
// final reply, which replaces the first. While wait runs, repeats get InFlight; if the
// process dies in it, a repeat after the lease runs wait again on the first reply.
func Finish[Rep any](ctx context.Context, k *Keys, lease time.Duration, fn func(ctx context.Context) (Rep, error), wait func(ctx context.Context, first Rep) (Rep, error)) (Rep, error) {
	panic("kit")
}
