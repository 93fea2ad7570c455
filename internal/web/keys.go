package web

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
)

const (
	keysCoolDown = 10 * time.Second // between two fetches, whatever tokens come
	keysFirst    = time.Second      // the same, while there are no keys at all
	keysAge      = 5 * time.Minute  // after which they are fetched again, to notice withdrawn ones
	keysTimeout  = 3 * time.Second
)

// keySet is the issuer's Ed25519 keys. A kid it does not know makes it fetch
// again, at most once per cool-down for all tokens together, so that made-up
// kids cannot be used to flood the issuer. On an error the old keys stay.
type keySet struct {
	fetch func(ctx context.Context) ([]byte, error)
	now   clock.Clock

	mu       sync.Mutex
	keys     map[string]ed25519.PublicKey // nil until the first fetch succeeded
	tried    time.Time
	fetched  time.Time
	failed   error         // of the last fetch
	fetching chan struct{} // closed when the fetch that runs now is done; nil without one
}

// get gives the key, nil where there is none. One caller fetches for all; who
// has a known key does not wait for that. Code: Unavailable while no keys were
// ever fetched.
func (s *keySet) get(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	s.mu.Lock()
	key, now := s.keys[kid], s.now()
	coolDown := keysCoolDown
	if s.keys == nil {
		coolDown = keysFirst
	}
	switch fetching := s.fetching; {
	case key != nil && (now.Sub(s.fetched) < keysAge || fetching != nil):
	case fetching != nil:
		s.mu.Unlock()
		select {
		case <-fetching:
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		}
		s.mu.Lock()
	case s.tried.IsZero() || now.Sub(s.tried) >= coolDown:
		s.tried, s.fetching = now, make(chan struct{})
		s.mu.Unlock()
		keys, err := s.load(ctx)
		s.mu.Lock()
		if err == nil {
			s.keys, s.fetched = keys, now
		}
		s.failed = err
		close(s.fetching)
		s.fetching = nil
	}
	defer s.mu.Unlock()
	return s.known(kid, s.failed)
}

// load fetches on behalf of all who wait, so it does not stop when the one
// caller goes away.
func (s *keySet) load(ctx context.Context) (map[string]ed25519.PublicKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	raw, err := s.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer's keys: %w", err)
	}
	return parseKeys(raw)
}

func (s *keySet) known(kid string, cause error) (ed25519.PublicKey, error) {
	if s.keys == nil {
		return nil, fault.Unavailable.Wrap(cause, "access tokens cannot be verified at the moment")
	}
	return s.keys[kid], nil
}

// parseKeys takes the Ed25519 keys meant for signing and leaves out all others.
func parseKeys(raw []byte) (map[string]ed25519.PublicKey, error) {
	set, err := jwk.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	keys := map[string]ed25519.PublicKey{}
	for i := range set.Len() {
		key, _ := set.Key(i)
		kid, ok := key.KeyID()
		if use, has := key.KeyUsage(); !ok || kid == "" || has && use != "sig" {
			continue
		}
		var public ed25519.PublicKey
		if err := jwk.Export(key, &public); err != nil {
			continue // another kind of key
		}
		keys[kid] = public
	}
	return keys, nil
}
