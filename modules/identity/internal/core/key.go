package core

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/modules/identity"
)

// The life of a signing key: it is published when it is made, signs keyNotice
// later until its successor does, and stays published until its last token has
// expired, with a margin for clocks that differ. The first key of all signs at once.
const (
	keyLife   = 30 * 24 * time.Hour
	keyNotice = time.Hour
	keyMargin = time.Hour
)

// Key signs access tokens.
type Key struct {
	ID         string // the kid
	Generation int64  // from 1
	PKCS8      []byte // Ed25519; the secret
	CreatedAt  time.Time
	SignsFrom  time.Time
}

// Keys is the store of signing keys.
type Keys interface {
	// SigningKeys gives all keys by generation; there are two or three.
	SigningKeys(ctx context.Context) ([]Key, error)
	// AddKey tells whether nobody else had made this generation.
	AddKey(ctx context.Context, k Key) (bool, error)
	DropKeys(ctx context.Context, ids []string) error
}

// KeySet implements identity.Service. Keys are read at each call, so that a
// rotation is seen by every instance at once.
func (s *Service) KeySet(ctx context.Context, _ identity.KeySetRequest) (identity.KeySet, error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return identity.KeySet{}, err
	}
	live, _ := published(keys, s.now())
	set, err := s.tokens.PublicSet(live)
	if err != nil {
		return identity.KeySet{}, fmt.Errorf("write the key set: %w", err)
	}
	return identity.KeySet{JWKS: set}, nil
}

// keys gives the keys, at least one.
func (s *Service) keys(ctx context.Context) ([]Key, error) {
	keys, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	if len(keys) > 0 {
		return keys, nil
	}
	if err := s.addKey(ctx, 1, s.now()); err != nil {
		return nil, err
	}
	if keys, err = s.store.SigningKeys(ctx); err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	return keys, nil
}

// addKey makes the key of a generation, unless another instance was faster:
// then that one is everybody's.
func (s *Service) addKey(ctx context.Context, generation int64, signsFrom time.Time) error {
	pkcs8, err := s.tokens.NewKey()
	if err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	k := Key{ID: s.newID(), Generation: generation, PKCS8: pkcs8, CreatedAt: s.now(), SignsFrom: signsFrom}
	var mine bool
	err = s.store.Atomic(ctx, func(ctx context.Context) (err error) {
		mine, err = s.store.AddKey(ctx, k)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a signing key: %w", err)
	}
	if mine {
		s.log.InfoContext(ctx, "made a signing key", "kid", k.ID, "generation", generation, "signs_from", signsFrom)
	}
	return nil
}

// signingKey is the newest key whose time has come.
func (s *Service) signingKey(ctx context.Context) (Key, error) {
	keys, err := s.keys(ctx)
	if err != nil {
		return Key{}, err
	}
	now, chosen := s.now(), keys[0] // the first one signs whatever the clocks say
	for _, k := range keys[1:] {
		if !now.Before(k.SignsFrom) {
			chosen = k
		}
	}
	return chosen, nil
}

// published parts keys by whether a token of theirs may still be good.
func published(keys []Key, now time.Time) (live, over []Key) {
	for i, k := range keys {
		if i+1 < len(keys) && now.After(keys[i+1].SignsFrom.Add(accessTTL+keyMargin)) {
			over = append(over, k)
		} else {
			live = append(live, k)
		}
	}
	return live, over
}

// Rotate makes the next key when it is time and drops those that are over. Any
// number of instances may call it.
func (s *Service) Rotate(ctx context.Context) error {
	keys, err := s.keys(ctx)
	if err != nil {
		return err
	}
	now, newest := s.now(), keys[len(keys)-1]
	if !now.Before(newest.SignsFrom.Add(keyLife - keyNotice)) {
		if err := s.addKey(ctx, newest.Generation+1, now.Add(keyNotice)); err != nil {
			return err
		}
	}
	_, over := published(keys, now)
	if len(over) == 0 {
		return nil
	}
	ids := make([]string, len(over))
	for i, k := range over {
		ids[i] = k.ID
	}
	err = s.store.Atomic(ctx, func(ctx context.Context) error { return s.store.DropKeys(ctx, ids) })
	if err != nil {
		return fmt.Errorf("drop old signing keys: %w", err)
	}
	return nil
}
