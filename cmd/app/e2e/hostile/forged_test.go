package hostile

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/modules/identity/identitytest"
)

// TestForgedTokens sends the tokens of identity's own test, most of them signed with
// the key that this shop keeps, to the shop as it is run: to a route for everybody who
// is logged in, one for staff and one that is open to all.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewSite(t))
	ada := s.Customer(t)
	good := strings.TrimPrefix(ada.Sends("Authorization"), "Bearer ")
	forger := identitytest.NewForger(t, s.Setting("BANYAN_IDENTITY_ISSUER"), good, signingKey(t, s.Site))
	forgeries := forger.Forgeries()
	require.Greater(t, len(forgeries), 100)
	delete(forgeries, "not yet") // in a few seconds it is good
	for name, token := range forgeries {
		for _, path := range []string{"/users/me", "/orders?all=true", "/products?limit=1"} {
			status, body := authorized(t, s, path, token)
			require.Equal(t, http.StatusUnauthorized, status, "%s to %s: %s", name, path, body)
			require.Contains(t, body, `"code":"unauthenticated"`)
			require.False(t, leaks.MatchString(body), body)
		}
	}
	for name, token := range forger.Controls() {
		for path, want := range map[string]int{"/users/me": http.StatusOK, "/orders?all=true": http.StatusForbidden} {
			status, body := authorized(t, s, path, token)
			require.Equal(t, want, status, "%s to %s: %s", name, path, body)
		}
	}
	require.Zero(t, s.Log.Seen("panic"), s.Log)
}

// authorized asks with a token as it is written.
func authorized(t *testing.T, s *shoptest.Server, path, token string) (status int, body string) {
	t.Helper()
	shoptest.Until(t, path+" is answered", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Shop+"/api/v1"+path, nil)
		require.NoError(t, err)
		req.Header["Authorization"] = []string{"Bearer " + token}
		res, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		raw, err := readAll(res)
		require.NoError(t, err)
		status, body = res.StatusCode, string(raw)
		return status < http.StatusInternalServerError || res.Header.Get("Retry-After") == ""
	})
	return status, body
}

// signingKey reads the key where the shop keeps it.
func signingKey(t *testing.T, at shoptest.Site) (key identitytest.SigningKey) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(at.Data, "identity.db")+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT id, pkcs8 FROM signing_keys ORDER BY generation LIMIT 1").Scan(&key.ID, &key.PKCS8))
	return key
}
