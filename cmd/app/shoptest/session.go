package shoptest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// session is a log-in that lasts longer than its first token: a storm at full
// size, on a busy machine, outlives the quarter of an hour that a token is good for.
type session struct {
	email, password string

	mu    sync.Mutex
	token string // the newest, good until the shop says otherwise
}

func (s *session) now() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// renew logs in again, unless somebody else has done so since old was taken.
func (s *session) renew(ctx context.Context, c Client, old string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != old {
		return s.token, nil
	}
	c.headers = nil
	a, err := c.try(ctx, http.MethodPost, "/sessions", Object{"email": s.email, "password": s.password})
	switch {
	case err != nil:
		return "", err
	case a.Status != http.StatusCreated:
		return "", fmt.Errorf("log in again as %s: %d %s", s.email, a.Status, a.Raw)
	}
	s.token = a.Text("access_token")
	return s.token, nil
}

func (c Client) bearing(token string) Client { return c.With("Authorization", "Bearer "+token) }

func expired(a Answer) bool {
	return a.Status == http.StatusUnauthorized && strings.Contains(a.Raw, "the access token has expired")
}
