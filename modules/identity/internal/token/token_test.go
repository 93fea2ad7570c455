package token

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/modules/identity/internal/core"
)

func TestSignedTokensAreVerifiedByTheSet(t *testing.T) {
	t.Parallel()
	var keys []core.Key
	for _, kid := range []string{"k1", "k2"} {
		pkcs8, err := Format{}.NewKey()
		require.NoError(t, err)
		keys = append(keys, core.Key{ID: kid, PKCS8: pkcs8})
	}
	raw, err := Format{}.PublicSet(keys)
	require.NoError(t, err)
	require.NotContains(t, raw, `"d"`)
	set, err := jwk.ParseString(raw)
	require.NoError(t, err)
	now := time.Now().Truncate(time.Second)
	for _, k := range keys {
		signed, err := Format{}.Sign(k, core.Claims{
			Issuer: "i", Audience: "a", Subject: "s", ID: "j", Session: "f", Roles: []string{"customer"}, IssuedAt: now, ExpiresAt: now.Add(time.Minute),
		})
		require.NoError(t, err)
		token, err := jwt.ParseString(signed, jwt.WithKeySet(set), jwt.WithIssuer("i"), jwt.WithAudience("a"))
		require.NoError(t, err)
		sub, _ := token.Subject()
		require.Equal(t, "s", sub)
	}
}

func TestDamagedKeysAreRefused(t *testing.T) {
	t.Parallel()
	_, err := Format{}.Sign(core.Key{ID: "k", PKCS8: []byte("x")}, core.Claims{})
	require.Error(t, err)
	_, err = Format{}.PublicSet([]core.Key{{ID: "k"}})
	require.Error(t, err)
	empty, err := Format{}.PublicSet(nil)
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(empty)))
}
