package web_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/web"
)

type issuer struct {
	clock   *clock.Fake
	keys    map[string]ed25519.PrivateKey
	fetches int
	broken  bool
	v       *web.TokenVerifier
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	t.Helper()
	i := &issuer{clock: clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), keys: map[string]ed25519.PrivateKey{}}
	for _, kid := range kids {
		i.add(t, kid)
	}
	var err error
	i.v, err = web.NewVerifier(web.VerifierConfig{Keys: i.jwks, Issuer: "banyan", Audience: "shop", Clock: i.clock.Now})
	require.NoError(t, err)
	return i
}

func (i *issuer) add(t *testing.T, kid string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	i.keys[kid] = private
}

func (i *issuer) jwks(context.Context) ([]byte, error) {
	i.fetches++
	if i.broken {
		return nil, errors.New("connection refused")
	}
	set := map[string][]any{"keys": {}}
	for kid, key := range i.keys {
		set["keys"] = append(set["keys"], map[string]string{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid,
			"x": base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))})
	}
	return json.Marshal(set)
}

type object = map[string]any

func (i *issuer) claims(change object) object {
	now := i.clock.Now().Unix()
	c := object{"iss": "banyan", "aud": "shop", "sub": "u1", "exp": now + 900, "nbf": now, "iat": now, "roles": []string{"customer"}}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func (i *issuer) token(t *testing.T, kid string, header, claims object) string {
	t.Helper()
	h := object{"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
	for k, v := range header {
		if h[k] = v; v == nil {
			delete(h, k)
		}
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(h) + "." + part(i.claims(claims))
	var signature []byte
	switch h["alg"] {
	case "none":
	case "HS256": // the public key as a shared secret: the classic confusion
		mac := hmac.New(sha256.New, i.keys[kid].Public().(ed25519.PublicKey))
		mac.Write([]byte(signed))
		signature = mac.Sum(nil)
	default:
		signature = ed25519.Sign(i.keys[kid], []byte(signed))
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestGoodToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "k1")
	token := i.token(t, "k1", nil, object{"roles": []string{"staff", "system"}})
	for range 3 {
		p, err := i.v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, "u1", p.Subject)
		require.Equal(t, []string{"staff"}, p.Roles, "nobody gets the shop's own role")
	}
	_, err := i.v.Verify(t.Context(), i.token(t, "k1", object{"typ": "application/at+jwt"}, object{"aud": []string{"x", "shop"}}))
	require.NoError(t, err)
	require.Equal(t, 1, i.fetches)
	i.clock.Advance(16 * time.Minute)
	_, err = i.v.Verify(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated, "remembered tokens expire too")
	require.ErrorContains(t, err, "expired")
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "k1")
	foreign := newIssuer(t, "k1", "evil")
	now := i.clock.Now().Unix()
	evil := object{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(foreign.keys["k1"].Public().(ed25519.PublicKey))}
	ok := i.token(t, "k1", nil, nil)
	for name, token := range map[string]string{
		"empty":          "",
		"rubbish":        "a.b.c",
		"two parts":      "a.b",
		"none":           i.token(t, "k1", object{"alg": "none"}, nil),
		"HMAC":           i.token(t, "k1", object{"alg": "HS256"}, nil),
		"no kid":         i.token(t, "k1", object{"kid": nil}, nil),
		"unknown kid":    foreign.token(t, "evil", nil, nil),
		"foreign key":    foreign.token(t, "k1", nil, nil),
		"own jwk":        foreign.token(t, "k1", object{"jwk": evil}, nil),
		"jku":            foreign.token(t, "k1", object{"jku": "https://evil.example/jwks"}, nil),
		"crit":           i.token(t, "k1", object{"crit": []string{"b64"}}, nil),
		"id token":       i.token(t, "k1", object{"typ": "JWT"}, nil),
		"no type":        i.token(t, "k1", object{"typ": nil}, nil),
		"issuer":         i.token(t, "k1", nil, object{"iss": "evil"}),
		"no issuer":      i.token(t, "k1", nil, object{"iss": nil}),
		"audience":       i.token(t, "k1", nil, object{"aud": "other"}),
		"no audience":    i.token(t, "k1", nil, object{"aud": nil}),
		"expired":        i.token(t, "k1", nil, object{"exp": now - 60}),
		"never expires":  i.token(t, "k1", nil, object{"exp": nil}),
		"lives for ever": i.token(t, "k1", nil, object{"exp": now + 1e9}),
		"not yet":        i.token(t, "k1", nil, object{"nbf": now + 60}),
		"nobody":         i.token(t, "k1", nil, object{"sub": ""}),
		"no subject":     i.token(t, "k1", nil, object{"sub": nil}),
		"roles":          i.token(t, "k1", nil, object{"roles": "admin"}),
		"role":           i.token(t, "k1", nil, object{"roles": []any{1}}),
		"changed":        ok[:len(ok)-8] + "AAAAAAAA",
		"long":           ok + string(make([]byte, 9000)),
	} {
		_, err := i.v.Verify(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated, name)
	}
	_, err := i.v.Verify(t.Context(), ok)
	require.NoError(t, err)
}

func TestKeysAreFetchedAgainWithACoolDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "k1")
	ctx := t.Context()
	first := i.token(t, "k1", nil, nil)
	_, err := i.v.Verify(ctx, first)
	require.NoError(t, err)
	i.add(t, "k2")
	second := i.token(t, "k2", nil, nil)
	for range 5 {
		_, err = i.v.Verify(ctx, second)
		require.ErrorIs(t, err, fault.Unauthenticated)
	}
	require.Equal(t, 1, i.fetches, "the cool-down holds for made-up kids")
	i.clock.Advance(11 * time.Second)
	_, err = i.v.Verify(ctx, second)
	require.NoError(t, err)
	require.Equal(t, 2, i.fetches)

	i.broken = true
	i.clock.Advance(6 * time.Minute)
	_, err = i.v.Verify(ctx, first)
	require.NoError(t, err, "old keys stay when the issuer is away")
	require.Equal(t, 3, i.fetches)

	i.broken = false
	delete(i.keys, "k1")
	i.clock.Advance(11 * time.Second)
	_, err = i.v.Verify(ctx, first)
	require.ErrorIs(t, err, fault.Unauthenticated, "a withdrawn key ends remembered tokens")
	_, err = i.v.Verify(ctx, second)
	require.NoError(t, err)
}

func TestNoKeysAtAllIsUnavailable(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "k1")
	i.broken = true
	token := i.token(t, "k1", nil, nil)
	_, err := i.v.Verify(t.Context(), token)
	require.ErrorIs(t, err, fault.Unavailable)
	i.broken = false
	i.clock.Advance(11 * time.Second)
	_, err = i.v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestOneFetchForAllWhoWait(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, "k1")
	token := i.token(t, "k1", nil, nil)
	leave := make(chan struct{})
	v, err := web.NewVerifier(web.VerifierConfig{Issuer: "banyan", Audience: "shop", Clock: i.clock.Now,
		Keys: func(ctx context.Context) ([]byte, error) { <-leave; return i.jwks(ctx) }})
	require.NoError(t, err)
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			_, err := v.Verify(context.Background(), token)
			results <- err
		}()
	}
	close(leave)
	for range cap(results) {
		require.NoError(t, <-results)
	}
	require.Equal(t, 1, i.fetches)
}
