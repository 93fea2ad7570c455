package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/modules/identity"
)

const (
	accessTTL  = 15 * time.Minute
	refreshTTL = 30 * 24 * time.Hour // of each token: a session that is used goes on
	audience   = "banyan"
	secretSize = 32 // bytes: 256 bits
)

// Why a session ended before its time.
const (
	LoggedOut       = "logged_out"
	TokenReused     = "reused"
	PasswordChanged = "password_changed"
)

// Family is a session: all refresh tokens that descend from one log-in.
type Family struct {
	ID     string
	UserID string
}

// RefreshToken is what is kept of a refresh token.
type RefreshToken struct {
	Hash      string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Sessions is the store of sessions and their refresh tokens.
type Sessions interface {
	// Open adds a session with its first token.
	Open(ctx context.Context, f Family, first RefreshToken) error
	// Use marks a live token as used and gives its session. Of several callers
	// at most one is told true.
	Use(ctx context.Context, hash string, now time.Time) (sessionID string, ok bool, err error)
	// UsedBy gives the session of a token that was used already.
	UsedBy(ctx context.Context, hash string) (sessionID string, ok bool, err error)
	// Extend adds the next token of a session, unless that was revoked.
	Extend(ctx context.Context, sessionID string, next RefreshToken) (Family, bool, error)
	// Revoke ends one session, of one user where one is named, or, where no
	// session is named, all of a user. It tells how many were not ended before.
	Revoke(ctx context.Context, f Family, reason string, at time.Time) (int64, error)
}

// Claims is what an access token says.
type Claims struct {
	Issuer, Audience, Subject string
	ID, Session               string
	Roles                     []string
	IssuedAt, ExpiresAt       time.Time
}

// LogIn implements identity.Service. The attempt is counted before the password
// is looked at and taken back on success, so that many guesses at the same time
// do not pass the limit together.
func (s *Service) LogIn(ctx context.Context, req identity.LogInRequest) (identity.Session, error) {
	email := normalEmail(req.Email)
	at, err := s.entranceOf(ctx, email, req.ClientAddr)
	if err != nil {
		return identity.Session{}, err
	}
	if err := s.mayTry(ctx, at.bounds); err != nil {
		return identity.Session{}, err
	}
	var u User
	if validEmail(email) {
		if u, _, err = s.store.UserByEmail(ctx, email); err != nil {
			return identity.Session{}, fmt.Errorf("look for the user: %w", err)
		}
	}
	password := req.Password
	if len(password) > maxPassword { // nobody has such a one
		password, u = password[:maxPassword], User{}
	}
	ok, err := s.passwords.Verify(ctx, password, u.PasswordHash, func() error { return s.try(ctx, at.bounds) })
	if err != nil {
		return identity.Session{}, fmt.Errorf("verify the password: %w", err)
	}
	if !ok {
		s.count(Refused)
		return identity.Session{}, invalidCredentials()
	}
	session, err := s.open(ctx, u, at)
	if err == nil {
		s.count(LoggedIn)
	}
	return session, err
}

// open starts a session for a user who has proved who they are.
func (s *Service) open(ctx context.Context, u User, at entrance) (identity.Session, error) {
	key, err := s.signingKey(ctx)
	if err != nil {
		return identity.Session{}, err
	}
	f := Family{ID: s.newID(), UserID: u.ID}
	secret, first := s.newRefreshToken()
	var session identity.Session
	err = s.store.Atomic(ctx, func(ctx context.Context) error {
		still, err := s.store.ConfirmPassword(ctx, u.ID, u.PasswordHash)
		if err != nil {
			return fmt.Errorf("confirm the password: %w", err)
		}
		if !still { // it was changed while we verified the old one
			return invalidCredentials()
		}
		if err := s.store.Open(ctx, f, first); err != nil {
			return fmt.Errorf("open a session: %w", err)
		}
		if err := s.succeeded(ctx, at); err != nil {
			return err
		}
		session, err = s.session(key, u, f, secret)
		return err
	})
	return session, err
}

// Refresh implements identity.Service. Of two calls with one token, at whatever
// distance, the first wins and the second ends the session: who holds a copy of
// a token cannot be told from who was given it, so there is no grace for either.
func (s *Service) Refresh(ctx context.Context, req identity.RefreshRequest) (identity.Session, error) {
	key, err := s.signingKey(ctx)
	if err != nil {
		return identity.Session{}, err
	}
	secret, next := s.newRefreshToken()
	var session identity.Session
	var reused Family
	err = s.store.Atomic(ctx, func(ctx context.Context) error {
		session, reused = identity.Session{}, Family{}
		now, hash := s.now(), hashOf(req.RefreshToken)
		sessionID, ok, err := s.store.Use(ctx, hash, now)
		if err != nil {
			return fmt.Errorf("use the refresh token: %w", err)
		}
		if !ok {
			reused, err = s.reuse(ctx, hash, now)
			return err
		}
		f, ok, err := s.store.Extend(ctx, sessionID, next)
		if err != nil {
			return fmt.Errorf("extend the session: %w", err)
		}
		if !ok {
			return invalidRefresh()
		}
		u, ok, err := s.store.User(ctx, f.UserID)
		if err != nil {
			return fmt.Errorf("read the user: %w", err)
		}
		if !ok {
			return invalidRefresh()
		}
		session, err = s.session(key, u, f, secret)
		return err
	})
	switch {
	case err != nil:
		return identity.Session{}, err
	case reused.ID != "":
		s.count(Reused)
		s.log.WarnContext(ctx, "a refresh token was used twice: its session is ended", "session", reused.ID)
		return identity.Session{}, invalidRefresh()
	}
	s.count(Refreshed)
	return session, nil
}

// reuse ends the session of a token that is no longer good. That must be
// committed, so it is no error here.
func (s *Service) reuse(ctx context.Context, hash string, now time.Time) (Family, error) {
	sessionID, ok, err := s.store.UsedBy(ctx, hash)
	if err != nil {
		return Family{}, fmt.Errorf("look for the refresh token: %w", err)
	}
	if !ok {
		return Family{}, invalidRefresh()
	}
	f := Family{ID: sessionID}
	if _, err := s.store.Revoke(ctx, f, TokenReused, now); err != nil {
		return Family{}, fmt.Errorf("end the session: %w", err)
	}
	return f, nil
}

// session makes the answer: a pair of tokens.
func (s *Service) session(key Key, u User, f Family, secret string) (identity.Session, error) {
	now := s.now()
	access, err := s.tokens.Sign(key, Claims{
		Issuer: s.issuer, Audience: audience, Subject: u.ID, ID: s.newID(), Session: f.ID, Roles: u.Roles,
		IssuedAt: now, ExpiresAt: now.Add(accessTTL),
	})
	if err != nil {
		return identity.Session{}, fmt.Errorf("sign an access token: %w", err)
	}
	return identity.Session{UserID: u.ID, AccessToken: access, RefreshToken: secret, ExpiresIn: int(accessTTL / time.Second)}, nil
}

func (s *Service) newRefreshToken() (secret string, kept RefreshToken) {
	raw := make([]byte, secretSize)
	_, _ = rand.Read(raw) // never fails: the program ends instead
	secret = base64.RawURLEncoding.EncodeToString(raw)
	now := s.now()
	return secret, RefreshToken{Hash: hashOf(secret), CreatedAt: now, ExpiresAt: now.Add(refreshTTL)}
}

// hashOf is enough for a secret of 256 random bits; it needs no salt and no work.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func invalidCredentials() error {
	return identity.InvalidCredentials.Errorf("the e-mail or the password is not right")
}

func invalidRefresh() error {
	return identity.InvalidRefresh.Errorf("the refresh token is not good (any more): log in again")
}
