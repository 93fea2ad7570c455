package identitytest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/identity"
)

// Password is the one of users made here.
const Password = "correct horse battery"

// Shop is the context of a call that the shop itself makes.
func Shop() context.Context {
	return port.WithPrincipal(context.Background(), port.System("test"))
}

// As is the context of a call that a user makes.
func As(u identity.User) context.Context {
	return port.WithPrincipal(context.Background(), port.Principal{Subject: u.ID, Roles: u.Roles})
}

// Email is one that nobody has.
func Email() string { return "u-" + id.V7() + "@example.com" }

// MustRegister makes a customer with a fresh e-mail and Password.
func MustRegister(t *testing.T, svc identity.Service) identity.User {
	t.Helper()
	u, err := svc.Register(context.Background(), identity.RegisterRequest{Email: Email(), Password: Password, Name: "Anna"})
	require.NoError(t, err)
	return u
}

// MustGrant makes a user with roles, a fresh e-mail and Password.
func MustGrant(t *testing.T, svc identity.Service, roles ...string) identity.User {
	t.Helper()
	u, err := svc.GrantRoles(Shop(), identity.GrantRolesRequest{Email: Email(), Password: Password, Name: "Sam", Roles: roles})
	require.NoError(t, err)
	return u.User
}

// MustLogIn opens a session of a user who has Password.
func MustLogIn(t *testing.T, svc identity.Service, u identity.User) identity.Session {
	t.Helper()
	s, err := svc.LogIn(context.Background(), identity.LogInRequest{Email: u.Email, Password: Password})
	require.NoError(t, err)
	return s
}

// MustRefresh exchanges the refresh token of a session.
func MustRefresh(t *testing.T, svc identity.Service, s identity.Session) identity.Session {
	t.Helper()
	next, err := refresh(svc, s)
	require.NoError(t, err)
	return next
}

func refresh(svc identity.Service, s identity.Session) (identity.Session, error) {
	return svc.Refresh(context.Background(), identity.RefreshRequest{RefreshToken: s.RefreshToken})
}

// Claims is what an access token says.
type Claims struct {
	Issuer   string   `json:"iss"`
	Audience []string `json:"aud"`
	Subject  string   `json:"sub"`
	ID       string   `json:"jti"`
	Session  string   `json:"sid"`
	Roles    []string `json:"roles"`
	Issued   int64    `json:"iat"`
	From     int64    `json:"nbf"`
	Expires  int64    `json:"exp"`
}

// Header is what an access token says of itself.
type Header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	Key       string `json:"kid"`
}

// MustRead reads an access token without verifying it.
func MustRead(t *testing.T, token string) (Header, Claims) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	var h Header
	var c Claims
	for i, into := range []any{&h, &c} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, into), "%s", raw)
	}
	return h, c
}

// Verifier verifies the access tokens of an issuer by the keys of svc.
func Verifier(t *testing.T, svc identity.Service, issuer string, now clock.Clock) *web.TokenVerifier {
	t.Helper()
	v, err := web.NewVerifier(web.VerifierConfig{
		Keys: func(ctx context.Context) ([]byte, error) {
			set, err := svc.KeySet(ctx, identity.KeySetRequest{})
			return []byte(set.JWKS), err
		},
		Issuer: issuer, Audience: "banyan", Clock: now,
	})
	require.NoError(t, err)
	return v
}

// lifetime is how long access tokens live.
const lifetime = 15 * time.Minute
