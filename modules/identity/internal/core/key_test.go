package core

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/modules/identity"
)

// keyStore keeps keys in memory; the other methods are not there.
type keyStore struct {
	Store
	keys []Key
}

func (s *keyStore) Atomic(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (s *keyStore) SigningKeys(context.Context) ([]Key, error) { return slices.Clone(s.keys), nil }

func (s *keyStore) AddKey(_ context.Context, k Key) (bool, error) {
	if slices.ContainsFunc(s.keys, func(o Key) bool { return o.Generation == k.Generation }) {
		return false, nil
	}
	s.keys = append(s.keys, k)
	return true, nil
}

func (s *keyStore) DropKeys(_ context.Context, ids []string) error {
	s.keys = slices.DeleteFunc(s.keys, func(k Key) bool { return slices.Contains(ids, k.ID) })
	return nil
}

// plainTokens shows which key did what.
type plainTokens struct{}

func (plainTokens) NewKey() ([]byte, error)              { return nil, nil }
func (plainTokens) Sign(k Key, _ Claims) (string, error) { return k.ID, nil }
func (plainTokens) PublicSet(keys []Key) (string, error) {
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return strings.Join(ids, " "), nil
}

// Whatever the times at which log-ins, rotations and readers come: a token's key
// is published until the token has expired, and was published for an hour before
// it signed, unless it is the first of all.
func TestEveryTokenFindsItsKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
		store := &keyStore{}
		s := New(Deps{Store: store, Tokens: plainTokens{}, Now: now.Now, NewID: id.V7, Log: slog.New(slog.DiscardHandler)})
		signed := map[string]time.Time{} // key → expiry of its last token
		first := ""
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			set, err := s.KeySet(ctx, identity.KeySetRequest{})
			require.NoError(t, err)
			published := strings.Fields(set.JWKS)
			require.NotEmpty(t, published)
			for kid, expiry := range signed {
				if !now.Now().After(expiry) {
					require.Contains(t, published, kid, "a token of this key is still good")
				}
			}
			key, err := s.signingKey(ctx)
			require.NoError(t, err)
			require.Contains(t, published, key.ID)
			if first == "" {
				first = key.ID
			}
			if key.ID != first {
				require.GreaterOrEqual(t, now.Now().Sub(key.CreatedAt), keyNotice)
			}
			signed[key.ID] = now.Now().Add(accessTTL)
			if rapid.Bool().Draw(t, "rotate") {
				require.NoError(t, s.Rotate(ctx))
				require.LessOrEqual(t, len(store.keys), 3)
			}
			now.Advance(time.Duration(rapid.SampledFrom([]int64{0, 1, 60, 899, 3600, 86400, 40 * 86400}).Draw(t, "pass")) * time.Second)
		}
	})
}
