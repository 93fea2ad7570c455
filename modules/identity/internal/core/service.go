// Package core holds the rules of identity: who is who, what proves it, how long
// a proof lasts, and how guessing is slowed down.
//
// What does not belong here: SQL, the form of tokens and the hashing of
// passwords, which are beside it behind small interfaces.
package core

import (
	"context"
	"log/slog"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/identity"
)

// Store keeps users, sessions, attempts and keys. Every write is made inside Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error

	Users
	Sessions
	Attempts
	Keys

	// Purge drops tokens, sessions and familiar addresses that expired before now and
	// windows of attempts that began before cutoff, a few rows at a time.
	Purge(ctx context.Context, now, cutoff time.Time) error
}

// Passwords hashes. Both methods wait a short time for a place, so that memory
// stays bounded, and answer fault.Unavailable when none gets free.
type Passwords interface {
	Hash(ctx context.Context, password string) (string, error)
	// Verify calls admit when it has a place, just before the work; an error of
	// admit ends it. An empty hash stands for a user that does not exist: it
	// matches nothing and takes the same work.
	Verify(ctx context.Context, password, hash string, admit func() error) (bool, error)
}

// Tokens knows the form of keys and access tokens.
type Tokens interface {
	NewKey() (pkcs8 []byte, err error)
	Sign(k Key, c Claims) (string, error)
	// PublicSet writes the public halves as a JWK set.
	PublicSet(keys []Key) (string, error)
}

// Events is where changes are announced.
type Events interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Deps is what the service works with.
type Deps struct {
	Store     Store
	Passwords Passwords
	Tokens    Tokens
	Events    Events
	Now       clock.Clock
	NewID     id.Source
	Log       *slog.Logger
	Issuer    string
	Count     func(what string) // counts log-ins and the like; may be nil
}

// Service implements the contract.
type Service struct {
	store     Store
	passwords Passwords
	tokens    Tokens
	events    Events
	now       clock.Clock
	newID     id.Source
	log       *slog.Logger
	issuer    string
	count     func(what string)
}

var _ identity.Service = (*Service)(nil)

// New makes the service.
func New(d Deps) *Service {
	if d.Count == nil {
		d.Count = func(string) {}
	}
	return &Service{
		store: d.Store, passwords: d.Passwords, tokens: d.Tokens, events: d.Events,
		now: d.Now, newID: d.NewID, log: d.Log, issuer: d.Issuer, count: d.Count,
	}
}

// What Count is told.
const (
	LoggedIn  = "logged_in"
	Refused   = "refused"
	Throttled = "throttled"
	Refreshed = "refreshed"
	Reused    = "reused"
)
