package identitymodule_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identitymodule"
	"github.com/banyan-tree/banyan/modules/identity/identitytest"
)

// kids names the published keys.
func kids(t *testing.T, m *identitymodule.Module) []string {
	t.Helper()
	set, err := m.Service.KeySet(t.Context(), identity.KeySetRequest{})
	require.NoError(t, err)
	var jwks struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	require.NoError(t, json.Unmarshal([]byte(set.JWKS), &jwks))
	var out []string
	for _, k := range jwks.Keys {
		out = append(out, k.Kid)
	}
	return out
}

func TestInstancesMakeOneFirstKey(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		instances := []*identitymodule.Module{setup(t, db, clock.System)}
		for range 7 {
			instances = append(instances, instance(t, db, clock.System))
		}
		sets, errs := make([]string, len(instances)), make([]error, len(instances))
		var wg sync.WaitGroup
		for i, m := range instances {
			wg.Go(func() {
				set, err := m.Service.KeySet(context.Background(), identity.KeySetRequest{})
				sets[i], errs[i] = set.JWKS, err
			})
		}
		wg.Wait()
		for i := range instances {
			require.NoError(t, errs[i])
			require.Equal(t, sets[0], sets[i])
		}
		require.Len(t, kids(t, instances[0]), 1)
	})
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(start)
		m := setup(t, db, now.Now)
		u := identitytest.MustRegister(t, m.Service)
		signer := func() (kid, token string) {
			token = identitytest.MustLogIn(t, m.Service, u).AccessToken
			h, _ := identitytest.MustRead(t, token)
			return h.Key, token
		}
		rotated := func(keys int) {
			t.Helper()
			work(t, m, "identity.keys", func() bool { return rows(t, db, "signing_keys") == int64(keys) })
		}
		v := identitytest.Verifier(t, m.Service, issuer, now.Now)

		rotated(1)
		first, _ := signer()
		require.Equal(t, []string{first}, kids(t, m))

		now.Advance(30*24*time.Hour - time.Hour - time.Minute)
		rotated(1) // not yet

		now.Advance(time.Minute)
		rotated(2)
		published := kids(t, m)
		require.Len(t, published, 2)
		kid, _ := signer()
		require.Equal(t, first, kid, "the new key is published before it signs")

		now.Advance(time.Hour - time.Second)
		kid, last := signer()
		require.Equal(t, first, kid)
		now.Advance(time.Second)
		second, token := signer()
		require.Equal(t, published[1], second)

		now.Advance(14 * time.Minute)
		require.Equal(t, published, kids(t, m))
		for _, tok := range []string{last, token} {
			p, err := v.Verify(t.Context(), tok)
			require.NoError(t, err, "tokens of both keys are good")
			require.Equal(t, u.ID, p.Subject)
		}

		now.Advance(2 * time.Hour)
		require.Equal(t, []string{second}, kids(t, m), "its last token has expired")
		rotated(1)
		require.Equal(t, []string{second}, kids(t, m))
	})
}

func TestTokensExpireAndCannotBeForged(t *testing.T) {
	t.Parallel()
	db := testenv.SQLite(t, "test")
	now := clock.NewFake(start)
	m := setup(t, db, now.Now)
	u := identitytest.MustRegister(t, m.Service)
	token := identitytest.MustLogIn(t, m.Service, u).AccessToken
	v := identitytest.Verifier(t, m.Service, issuer, now.Now)
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)

	h, c := identitytest.MustRead(t, token)
	parts := strings.Split(token, ".")
	encode := func(x any) string {
		raw, err := json.Marshal(x)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	c.Roles = []string{"admin"}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	none := h
	none.Algorithm = "none"
	unknown := h
	unknown.Key = "unknown"
	signed := func(header identitytest.Header) string {
		text := encode(header) + "." + encode(c)
		return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(stranger, []byte(text)))
	}
	for name, forged := range map[string]string{
		"other claims": parts[0] + "." + encode(c) + "." + parts[2],
		"no signature": parts[0] + "." + parts[1] + ".",
		"none":         encode(none) + "." + encode(c) + ".",
		"stranger":     signed(h),
		"unknown key":  signed(unknown),
	} {
		_, err := v.Verify(t.Context(), forged)
		require.ErrorIs(t, err, fault.Unauthenticated, name)
	}
	_, err = identitytest.Verifier(t, m.Service, "https://other.example", now.Now).Verify(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)

	now.Advance(15*time.Minute + 6*time.Second)
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)
}
