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
type IdempotencyKey struct {
	Scope       string
	Key         string
	Fingerprint string
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
	k, _ := ctx.Value(idempotencyKey{}).(IdempotencyKey)
	return k
}

// WithReplayFlag returns a context whose flag is raised when a command below it
// answers from memory instead of acting; the flag crosses the wire with the reply.
func WithReplayFlag(ctx context.Context) (context.Context, *atomic.Bool) {
	flag := new(atomic.Bool)
	return context.WithValue(ctx, replayKey{}, flag), flag
}

// MarkReplayed raises the flag of ctx, if there is one.
func MarkReplayed(ctx context.Context) {
	if flag, ok := ctx.Value(replayKey{}).(*atomic.Bool); ok {
		flag.Store(true)
	}
}
