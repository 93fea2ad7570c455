// Package identity is the contract of the identity context: users, credentials,
// roles, sessions and signing keys. Nothing else of the module may be imported.
package identity

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Codes of this context.
var (
	EmailTaken         = fault.Define("user.email_taken", fault.KindConflict)
	InvalidUser        = fault.Define("user.invalid", fault.KindInvalid)
	UserNotFound       = fault.Define("user.not_found", fault.KindNotFound)
	InvalidCredentials = fault.Define("session.invalid_credentials", fault.KindUnauthenticated)
	InvalidRefresh     = fault.Define("session.invalid_refresh_token", fault.KindUnauthenticated)
	Throttled          = fault.Define("session.throttled", fault.KindExhausted)
)

// Service is what other contexts and the HTTP edge may ask of identity.
type Service interface {
	// Register makes a customer. The password has at least 12 characters.
	// Codes: EmailTaken, InvalidUser.
	Register(ctx context.Context, req RegisterRequest) (User, error)
	// GrantRoles makes sure that a user with this e-mail exists and has these
	// roles, and sets the password when one is given. For admin and system.
	// Repeating it changes nothing. Codes: InvalidUser, fault.Forbidden.
	GrantRoles(ctx context.Context, req GrantRolesRequest) (Granted, error)
	// LogIn opens a session. Never tells whether the e-mail exists; failures are
	// throttled per e-mail and per client address. Where the password was right in the
	// last 30 days, only failures made there count against the e-mail.
	// Codes: InvalidCredentials, Throttled (detail retry_after, in seconds).
	LogIn(ctx context.Context, req LogInRequest) (Session, error)
	// Refresh rotates a refresh token, which lives for 30 days. Using one twice
	// revokes its family, also when both uses come at the same time: one of them
	// wins, and what it won is revoked by the other. Codes: InvalidRefresh.
	Refresh(ctx context.Context, req RefreshRequest) (Session, error)
	// LogOut revokes the family of the session. For the user and staff. Repeating
	// it changes nothing. Codes: UserNotFound.
	LogOut(ctx context.Context, req LogOutRequest) (LogOutReply, error)
	// Get gives a user, to that user and staff. May be repeated. Codes: UserNotFound.
	Get(ctx context.Context, req GetRequest) (User, error)
	// KeySet gives the public signing keys as a JWK set (RFC 7517). May be repeated.
	KeySet(ctx context.Context, req KeySetRequest) (KeySet, error)
}

// User is a person who can log in.
type User struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"` // lower case
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	CreatedAt time.Time `json:"created_at"`
}

// RegisterRequest asks for a new customer.
type RegisterRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Name     string `json:"name"`
}

// GrantRolesRequest asks for a user with roles. An empty Password keeps the present one.
type GrantRolesRequest struct {
	Email    string   `json:"email"`
	Password string   `json:"password,omitempty"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
	// KeepPassword gives Password to a new user only.
	KeepPassword bool `json:"keep_password,omitempty"`
}

// Granted is a user with roles, and what became of one who was there already.
type Granted struct {
	User
	NewRoles        []string `json:"new_roles,omitzero"`         // which this user did not have before
	PasswordChanged bool     `json:"password_changed,omitempty"` // it was another one
	PasswordKept    bool     `json:"password_kept,omitempty"`    // it is another one, and KeepPassword was asked for
}

// LogInRequest asks for a session. ClientAddr is the client's real address, for throttling.
type LogInRequest struct {
	Email      string `json:"email"`
	Password   string `json:"password"`
	ClientAddr string `json:"client_addr,omitempty"`
}

// RefreshRequest exchanges a refresh token.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// LogOutRequest ends the session named by the access token's sid claim.
type LogOutRequest struct {
	UserID    string `json:"user_id"`
	SessionID string `json:"session_id,omitempty"` // empty: every session of the user
}

// LogOutReply is empty.
type LogOutReply struct{}

// Session is a pair of tokens.
type Session struct {
	UserID       string `json:"user_id"`
	AccessToken  string `json:"access_token"`  // EdDSA JWT, 15 minutes
	RefreshToken string `json:"refresh_token"` // opaque, used once
	ExpiresIn    int    `json:"expires_in"`    // seconds that the access token lives
}

// GetRequest names a user.
type GetRequest struct {
	UserID string `json:"user_id"`
}

// KeySetRequest is empty.
type KeySetRequest struct{}

// KeySet is a JWK set in JSON.
type KeySet struct {
	JWKS string `json:"jwks"`
}
