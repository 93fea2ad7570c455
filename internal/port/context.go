package port

import (
	"context"
	"slices"
	"sync/atomic"
)

// Roles a principal can have.
const (
	RoleCustomer = "customer"
	RoleStaff    = "staff"
	RoleAdmin    = "admin"
	RoleSystem   = "system" // the shop itself: sagas, timers, consumers
)

// Principal is on whose behalf a call is made. The zero value is anonymous.
type Principal struct {
	Subject string   `json:"subject,omitempty"` // user id, or the name of the part of the shop
	Roles   []string `json:"roles,omitempty"`
	Session string   `json:"session,omitempty"` // the log-in it came by, if any
}

// System is the principal of the shop's own work, named after the part that acts.
func System(part string) Principal {
	return Principal{Subject: part, Roles: []string{RoleSystem}}
}

// Anonymous tells whether nobody is logged in.
func (p Principal) Anonymous() bool { return p.Subject == "" }

// Has tells whether the principal may act in the role. Admin may all that staff
// may; system may all.
func (p Principal) Has(role string) bool {
	return slices.Contains(p.Roles, role) || slices.Contains(p.Roles, RoleSystem) ||
		role == RoleStaff && slices.Contains(p.Roles, RoleAdmin)
}

// MayActFor tells whether the principal may see or change what this user owns:
// the user, staff, admin and the shop itself.
func (p Principal) MayActFor(userID string) bool {
	return p.Has(RoleStaff) || userID != "" && p.Subject == userID
}

// IdempotencyKey identifies one intended effect of a caller. Scope is user and
// route, Fingerprint a hash of the body, so that a reused key is noticed.
//
// A key is for one command. The handler of that command sees it, with the method's
// name at the end of its scope; the calls this handler makes do not inherit it.
// They have their natural key (see Key), or one that the handler attaches anew.
type IdempotencyKey struct {
	Scope       string `json:"scope"`
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
}

// IsZero tells whether there is no key.
func (k IdempotencyKey) IsZero() bool { return k.Key == "" }

type (
	principalKey   struct{}
	idempotencyKey struct{}
	replayKey      struct{}
)

// WithPrincipal says on whose behalf everything under ctx is done.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom gives the principal of ctx; the zero value is anonymous.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

// WithIdempotencyKey attaches a caller's key to ctx.
func WithIdempotencyKey(ctx context.Context, k IdempotencyKey) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, k)
}

// IdempotencyKeyFrom gives the caller's key, zero where there is none.
func IdempotencyKeyFrom(ctx context.Context) IdempotencyKey {
	switch v := ctx.Value(idempotencyKey{}).(type) {
	case IdempotencyKey:
		return v
	case *hand:
		return v.key
	}
	return IdempotencyKey{}
}

// WithReplayFlag returns a context whose flag is raised when the command called
// with it answers from memory instead of acting; the flag crosses the wire with
// the reply. Commands called by that command do not raise it.
func WithReplayFlag(ctx context.Context) (context.Context, *atomic.Bool) {
	flag := new(atomic.Bool)
	return context.WithValue(ctx, replayKey{}, flag), flag
}

// MarkReplayed raises the flag of ctx, if there is one.
func MarkReplayed(ctx context.Context) {
	switch v := ctx.Value(replayKey{}).(type) {
	case *atomic.Bool:
		v.Store(true)
	case *hand:
		if v.flag != nil {
			v.flag.Store(true)
		}
	}
}

// hand is what a command's handler was given: it is used up by that command.
type hand struct {
	key  IdempotencyKey
	flag *atomic.Bool // nil: nobody asks
}

// handover gives the key that ctx holds for the next command, and whether ctx
// shows one that belongs to the command being handled and must not go further.
func handover(ctx context.Context) (fresh IdempotencyKey, hidden bool) {
	switch v := ctx.Value(idempotencyKey{}).(type) {
	case IdempotencyKey:
		return v, false
	case *hand:
		return IdempotencyKey{}, !v.key.IsZero()
	}
	return IdempotencyKey{}, false
}

// replayFlag is handover for the flag.
func replayFlag(ctx context.Context) (fresh *atomic.Bool, hidden bool) {
	switch v := ctx.Value(replayKey{}).(type) {
	case *atomic.Bool:
		return v, false
	case *hand:
		return nil, v.flag != nil
	}
	return nil, false
}
