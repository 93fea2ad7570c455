// Package token writes access tokens (RFC 9068) and key sets (RFC 7517).
package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

const headerType = "at+jwt"

// Format implements core.Tokens.
type Format struct{}

var _ core.Tokens = Format{}

// NewKey implements core.Tokens.
func (Format) NewKey() ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(private)
}

func private(k core.Key) (ed25519.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", k.ID, err)
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is a %T, not an Ed25519 key", k.ID, key)
	}
	return ed, nil
}

// Sign implements core.Tokens.
func (Format) Sign(k core.Key, c core.Claims) (string, error) {
	key, err := private(k)
	if err != nil {
		return "", err
	}
	token, err := jwt.NewBuilder().
		Issuer(c.Issuer).Audience([]string{c.Audience}).Subject(c.Subject).JwtID(c.ID).
		IssuedAt(c.IssuedAt).NotBefore(c.IssuedAt).Expiration(c.ExpiresAt).
		Claim("sid", c.Session).Claim("roles", c.Roles).
		Build()
	if err != nil {
		return "", err
	}
	header := jws.NewHeaders()
	if err := header.Set(jws.TypeKey, headerType); err != nil {
		return "", err
	}
	if err := header.Set(jws.KeyIDKey, k.ID); err != nil {
		return "", err
	}
	signed, err := jwt.Sign(token, jwt.WithKey(jwa.EdDSA(), key, jws.WithProtectedHeaders(header)))
	return string(signed), err
}

// PublicSet implements core.Tokens.
func (Format) PublicSet(keys []core.Key) (string, error) {
	set := jwk.NewSet()
	for _, k := range keys {
		secret, err := private(k)
		if err != nil {
			return "", err
		}
		public, err := jwk.Import(secret.Public())
		if err != nil {
			return "", err
		}
		for field, value := range map[string]any{
			jwk.KeyIDKey: k.ID, jwk.AlgorithmKey: jwa.EdDSA(), jwk.KeyUsageKey: jwk.ForSignature,
		} {
			if err := public.Set(field, value); err != nil {
				return "", err
			}
		}
		if err := set.AddKey(public); err != nil {
			return "", err
		}
	}
	out, err := json.Marshal(set)
	return string(out), err
}
