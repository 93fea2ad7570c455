package core

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/identity"
)

// oneSession is a store with one refresh token that is good for ever.
type oneSession struct {
	keyStore
	hash string
}

func (s *oneSession) Atomic(ctx context.Context, fn func(context.Context) error) error {
	return fn(ctx)
}

func (s *oneSession) Use(_ context.Context, hash string, _ time.Time) (string, bool, error) {
	return "session", hash == s.hash, nil
}

func (s *oneSession) UsedBy(context.Context, string) (string, bool, error) { return "", false, nil }

func (s *oneSession) Extend(context.Context, string, RefreshToken) (Family, bool, error) {
	return Family{ID: "session", UserID: "u1"}, true, nil
}

func (s *oneSession) User(context.Context, string) (User, bool, error) {
	return User{User: identity.User{ID: "u1"}}, true, nil
}

// FuzzRefreshToken: no text but the one that was given out continues a session.
func FuzzRefreshToken(f *testing.F) {
	const good = "pIdsXn9yhNI4V0jPMWOEmYbNZCwOk0jRIjWn3W5hFBo"
	s := New(Deps{Store: &oneSession{hash: hashOf(good)}, Tokens: plainTokens{}, Now: time.Now, NewID: id.V7, Log: slog.New(slog.DiscardHandler)})
	f.Add(good)
	f.Fuzz(func(t *testing.T, token string) {
		session, err := s.Refresh(t.Context(), identity.RefreshRequest{RefreshToken: token})
		if token == good {
			require.NoError(t, err)
			require.NotEqual(t, good, session.RefreshToken)
			return
		}
		require.ErrorIs(t, err, identity.InvalidRefresh)
		require.Zero(t, session)
		if len(token) > 10 {
			require.NotContains(t, err.Error(), token)
		}
	})
}

// FuzzEmail: an e-mail has one form, which is valid and stays the same, and no
// control character in it could end a line of a mail's header or a log.
func FuzzEmail(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		email := normalEmail(text)
		if !validEmail(email) {
			return
		}
		require.Equal(t, email, normalEmail(email))
		require.LessOrEqual(t, len(email), 254)
		require.Contains(t, email, "@")
		for _, r := range email {
			require.False(t, r < ' ' || r == 0x7f, "%q", email)
		}
	})
}
