package web

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
)

// The fuzzers' issuer: one key that never changes, so that seeds stay good.
var fuzzKey = ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, 1234"))

const fuzzNow = 1_772_366_400 // 2026-03-01 12:00 UTC

func fuzzVerifier(f *testing.F) *TokenVerifier {
	f.Helper()
	set := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"k1","x":%q}]}`,
		base64.RawURLEncoding.EncodeToString(fuzzKey.Public().(ed25519.PublicKey)))
	v, err := NewVerifier(VerifierConfig{
		Keys:   func(context.Context) ([]byte, error) { return []byte(set), nil },
		Issuer: "https://shop.example", Audience: "banyan", Clock: func() time.Time { return time.Unix(fuzzNow, 0) },
	})
	require.NoError(f, err)
	return v
}

func fuzzToken(header, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(fuzzKey, []byte(text)))
}

const (
	fuzzHeader = `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`
	fuzzClaims = `{"aud":["banyan"],"exp":1772367300,"iat":1772366400,"iss":"https://shop.example","jti":"j","nbf":1772366400,"roles":["customer"],"sid":"s","sub":"u1"}`
)

// FuzzToken: no text but the one that was signed is ever taken.
func FuzzToken(f *testing.F) {
	v, good := fuzzVerifier(f), fuzzToken(fuzzHeader, fuzzClaims)
	_, err := v.Verify(f.Context(), good)
	require.NoError(f, err)
	f.Add(good)
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(t.Context(), token)
		if token == good {
			require.NoError(t, err)
			require.Equal(t, "u1", p.Subject)
			return
		}
		require.ErrorIs(t, err, fault.Unauthenticated)
		require.Zero(t, p)
	})
}

// FuzzClaims signs whatever comes with the issuer's own key. What is taken says
// what a second, naive reading of the JSON says too, and is within all bounds.
func FuzzClaims(f *testing.F) {
	v := fuzzVerifier(f)
	f.Add(fuzzHeader, fuzzClaims)
	f.Fuzz(func(t *testing.T, header, claims string) {
		p, err := v.Verify(t.Context(), fuzzToken(header, claims))
		if err != nil {
			require.ErrorIs(t, err, fault.Unauthenticated)
			require.Zero(t, p)
			return
		}
		var h, c map[string]any
		require.NoError(t, json.Unmarshal([]byte(header), &h))
		require.NoError(t, json.Unmarshal([]byte(claims), &c))
		require.Equal(t, "EdDSA", h["alg"])
		require.Equal(t, "k1", h["kid"])
		require.NotContains(t, h, "crit")
		require.Equal(t, "https://shop.example", c["iss"])
		require.Contains(t, fmt.Sprint(c["aud"]), "banyan")
		require.Equal(t, c["sub"], p.Subject)
		require.NotEmpty(t, p.Subject)
		require.NotContains(t, p.Roles, "system")
		exp, ok := c["exp"].(float64)
		require.True(t, ok)
		require.True(t, exp > fuzzNow-6 && exp <= fuzzNow+86400, exp)
		for _, from := range []string{"nbf", "iat"} {
			if at, has := c[from]; has {
				require.LessOrEqual(t, at.(float64), float64(fuzzNow+6))
			}
		}
	})
}

// FuzzKeySet: a key set of the issuer gives keys of the right size or an error.
func FuzzKeySet(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		keys, err := parseKeys(raw)
		if err != nil {
			require.Empty(t, keys)
			return
		}
		for kid, key := range keys {
			require.NotEmpty(t, kid)
			require.Len(t, key, ed25519.PublicKeySize)
		}
	})
}

// FuzzAuthorization: only one line of one scheme brings a token to the verifier.
func FuzzAuthorization(f *testing.F) {
	v, good := fuzzVerifier(f), fuzzToken(fuzzHeader, fuzzClaims)
	f.Fuzz(func(t *testing.T, before, after string) {
		s := &Server{cfg: Config{Verifier: v}}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{before + good + after}
		ctx, err := s.authenticated(r.Context(), r)
		if err != nil {
			require.ErrorIs(t, err, fault.Unauthenticated)
			return
		}
		require.True(t, strings.EqualFold(strings.TrimSpace(before), "bearer"), before)
		require.Empty(t, strings.TrimSpace(after))
		require.False(t, port.PrincipalFrom(ctx).Anonymous())
	})
}
