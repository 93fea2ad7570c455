// Package idempotency remembers, in the effect's own transaction, what a keyed
// command answered, so that the same key gives the same answer for 24 hours on
// any instance, across a crash.
//
// What belongs here: the memory of keys. What does not: where keys come from
// (port, web) and what a command does.
package idempotency

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// Codes a keyed command can answer with.
var (
	Missing  = fault.Define("idempotency_key.missing", fault.KindMalformed)
	Reused   = fault.Define("idempotency_key.reused", fault.KindInvalid)
	InFlight = fault.Define("idempotency_key.in_flight", fault.KindConflict)
)

// TTL is how long an answer is remembered.
const TTL = 24 * time.Hour

// settleLimit bounds the writing down of an answer after the caller has gone.
const settleLimit = 10 * time.Second

//go:embed migrations/*.sql
var files embed.FS

// Migrations makes the table idempotency_keys in a module's database.
func Migrations() database.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return database.Migrations{Name: "idempotency", FS: sub}
}

// Keys is the memory of one module, in that module's database.
type Keys struct {
	db  *database.DB
	now clock.Clock
}

// New makes the memory of the module that owns db.
func New(db *database.DB, now clock.Clock) *Keys { return &Keys{db: db, now: now} }

// Do runs fn in a transaction once per key of ctx (port.IdempotencyKeyFrom) and
// remembers its reply in that transaction; a refusal (a fault that is not
// retryable) is remembered after the rollback. A repeat gets the remembered
// reply or refusal and port.MarkReplayed; another fingerprint gets Reused; a
// repeat while the first still runs gets InFlight. Of what Finish began and nobody is
// finishing any more it gets the first reply. Without a key, fn just runs in a transaction.
//
// Inside a transaction of the module, Do joins it: key and effect share its fate,
// and a refusal is not remembered.
func Do[Rep any](ctx context.Context, k *Keys, fn func(ctx context.Context) (Rep, error)) (Rep, error) {
	rep, _, err := do(ctx, k, 0, fn)
	return rep, err
}

// Finish is Do for a command whose answer is only known some time after its
// effect: fn commits the effect, then wait (outside any transaction) gives the
// final reply, which replaces the first. While wait runs, repeats get InFlight; if the
// process dies in it, a repeat after the lease runs wait again on the first reply.
// So it does, at once, after wait gave an error that is retryable. wait may run
// twice at a time when it takes longer than the lease; all get the answer of the
// one that ends first.
func Finish[Rep any](ctx context.Context, k *Keys, lease time.Duration, fn func(ctx context.Context) (Rep, error), wait func(ctx context.Context, first Rep) (Rep, error)) (Rep, error) {
	return FinishElsewhere(ctx, k, lease, fn, nil, wait)
}

// FinishElsewhere is Finish for a command whose final answer is written by whoever
// finds it, with Settle: until returns when that was tried, or will not be waited
// for any longer. Only where no answer was written then, find gives it.
func FinishElsewhere[Rep any](ctx context.Context, k *Keys, lease time.Duration, fn func(ctx context.Context) (Rep, error), until func(ctx context.Context, first Rep) error, find func(ctx context.Context, first Rep) (Rep, error)) (Rep, error) {
	var none Rep
	if k.db.Inside(ctx) {
		return none, errors.New("finish a keyed command: not inside a transaction, because it waits for others")
	}
	if lease <= 0 {
		return none, fmt.Errorf("finish a keyed command: a lease of %v is none", lease)
	}
	first, open, err := do(ctx, k, lease, fn)
	if err != nil || !open {
		return first, err
	}
	key := port.IdempotencyKeyFrom(ctx)
	if until != nil {
		if err := until(ctx, first); err != nil {
			if key.IsZero() {
				return none, err
			}
			return settle(ctx, k, stateFirst, none, err)
		}
		if !key.IsZero() {
			settled, err := k.find(ctx, key, false)
			if err == nil && settled != nil && settled.State == stateDone && settled.Fingerprint == key.Fingerprint {
				return decode[Rep](settled)
			}
		}
	}
	final, findErr := find(ctx, first)
	if key.IsZero() {
		return final, findErr
	}
	return settle(ctx, k, stateFirst, final, findErr)
}

// Settle writes the final answer of a command that FinishElsewhere began, in the
// transaction that ctx carries, which is that of the effect's end. Where the key is
// settled already, or unknown, it does nothing.
func (k *Keys) Settle(ctx context.Context, key port.IdempotencyKey, reply any) error {
	if key.IsZero() {
		return nil
	}
	r, err := k.record(key, stateDone, reply, nil)
	if err != nil {
		return err
	}
	return wrap(k.db.Later(ctx).Exec(`UPDATE idempotency_keys SET state = ?, reply = ?, lease_until = NULL, expires_at = ?
		WHERE scope = ? AND key = ? AND fingerprint = ? AND state = ?`,
		r.State, r.Reply, r.ExpiresAt, key.Scope, key.Key, key.Fingerprint, stateFirst).Error)
}

// do is the common part. With a lease, the answer that it remembers is the first
// one, and open tells that the caller is to find the final one.
func do[Rep any](ctx context.Context, k *Keys, lease time.Duration, fn func(ctx context.Context) (Rep, error)) (rep Rep, open bool, err error) {
	var none Rep
	key := port.IdempotencyKeyFrom(ctx)
	if key.IsZero() {
		err := k.db.Atomic(ctx, func(ctx context.Context) (err error) {
			rep, err = fn(ctx)
			return err
		})
		if err != nil {
			return none, false, err
		}
		return rep, lease > 0, nil
	}
	var (
		known   *record
		refusal error // what fn itself said
	)
	err = k.db.Atomic(ctx, func(ctx context.Context) (err error) {
		rep, known, refusal = none, nil, nil // of an attempt that was undone
		if known, err = k.claim(ctx, key, lease); err != nil || known != nil {
			return err
		}
		if rep, err = fn(ctx); err != nil {
			refusal = err
			return err
		}
		r, err := k.record(key, stateDone, rep, nil)
		if err != nil {
			return err
		}
		if lease > 0 {
			r.State, r.LeaseUntil = stateFirst, database.AtPtr(new(k.now().Add(lease)))
		}
		return k.put(ctx, r)
	})
	switch {
	case err != nil && refusal != nil && final(refusal) && !k.db.Inside(ctx):
		rep, err := settle(ctx, k, "", none, refusal)
		return rep, false, err
	case err != nil:
		return none, false, err
	case known == nil:
		return rep, lease > 0, nil
	case known.State == stateFirst && lease > 0:
		rep, err := decode[Rep](known)
		return rep, err == nil, err
	}
	rep, err = replay[Rep](ctx, known)
	return rep, false, err
}

// settle writes the final answer over what is in the state from ("" for nothing).
// Where it finds more, another call with the same key was faster: then that one's
// answer is everybody's.
func settle[Rep any](ctx context.Context, k *Keys, from string, rep Rep, answer error) (Rep, error) {
	var none Rep
	key := port.IdempotencyKeyFrom(ctx)
	var other *record
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	err := k.db.Atomic(limited, func(ctx context.Context) (err error) {
		other, err = k.wait(ctx, key)
		if err != nil || other != nil && other.State != from {
			return err
		}
		var r record
		switch {
		case answer == nil:
			r, err = k.record(key, stateDone, rep, nil)
		case final(answer):
			r, err = k.record(key, stateRefused, nil, fault.From(answer))
		case other != nil: // not known yet: let a repeat try at once
			r = *other
			r.LeaseUntil = database.AtPtr(new(k.now()))
		default:
			return nil
		}
		other = nil
		if err != nil {
			return err
		}
		return k.put(ctx, r)
	})
	switch {
	case err != nil && answer != nil:
		return none, answer // the refusal stands; it had no effect that could be doubled
	case err != nil:
		return none, fmt.Errorf("remember the answer of a keyed command: %w", err)
	case other != nil && other.Fingerprint != key.Fingerprint:
		return none, reused()
	case other != nil && other.State == stateFirst:
		return none, inFlight()
	case other != nil:
		return replay[Rep](ctx, other)
	case answer != nil:
		return none, answer
	}
	return rep, nil
}

// replay answers from memory.
func replay[Rep any](ctx context.Context, r *record) (Rep, error) {
	var none Rep
	port.MarkReplayed(ctx)
	if r.State == stateRefused {
		refusal := new(fault.Error)
		if err := json.Unmarshal([]byte(r.Fault), refusal); err != nil {
			return none, fmt.Errorf("read the remembered refusal of a keyed command: %w", err)
		}
		return none, refusal
	}
	return decode[Rep](r)
}

func decode[Rep any](r *record) (rep Rep, err error) {
	if err := json.Unmarshal([]byte(r.Reply), &rep); err != nil {
		var none Rep // not the half that was read
		return none, fmt.Errorf("read the remembered reply of a keyed command: %w", err)
	}
	return rep, nil
}

// final tells whether a repeat would be answered in the same way: refusals are,
// but not those that say "not yet" or "log in first".
func final(err error) bool {
	return !fault.Retryable(err) && !errors.Is(err, InFlight) && fault.From(err).Code.Kind() != fault.KindUnauthenticated
}
