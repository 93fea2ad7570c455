package identitymodule_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identityhttp"
	"github.com/banyan-tree/banyan/modules/identity/identitymodule"
	"github.com/banyan-tree/banyan/modules/identity/identitytest"
)

type object = map[string]any

// door is a shop with the real identity behind real routes, and a customer.
type door struct {
	*webtest.Server
	db    *database.DB
	now   *clock.Fake
	users *identitymodule.Module
	user  identity.User
	forge *identitytest.Forger
}

func openDoor(t *testing.T) *door {
	t.Helper()
	d := &door{db: testenv.SQLite(t, "test"), now: clock.NewFake(start)}
	d.users = setup(t, d.db, d.now.Now)
	_, err := d.users.Service.KeySet(t.Context(), identity.KeySetRequest{}) // makes the first key
	require.NoError(t, err)
	d.now.Advance(30 * 24 * time.Hour)
	work(t, d.users, "identity.keys", func() bool { return rows(t, d.db, "signing_keys") == 2 })
	d.user = identitytest.MustRegister(t, d.users.Service)
	good := identitytest.MustLogIn(t, d.users.Service, d.user).AccessToken
	d.forge = identitytest.NewForger(t, issuer, good, keys(t, d.db)...)
	d.Server = webtest.New(t, func(r *web.Router) {
		identityhttp.Register(r, identityhttp.Deps{Identity: d.users.Service})
		for path, access := range map[string]web.Access{"/staff": web.Staff, "/admin": web.Admin, "/public": web.Public} {
			web.Handle(r, web.Route{Method: http.MethodGet, Path: path, Access: access, Summary: "Opens or not"},
				func(context.Context, struct{}) (web.Reply[struct{}], error) { return web.OK(struct{}{}), nil })
		}
	}, func(c *web.Config) {
		c.Verifier = identitytest.Verifier(t, d.users.Service, issuer, d.now.Now)
	})
	return d
}

// keys are those that identity keeps: one that signs, and the next one.
func keys(t *testing.T, db *database.DB) []identitytest.SigningKey {
	t.Helper()
	var kept []identitytest.SigningKey
	require.NoError(t, db.Conn(t.Context()).Table("signing_keys").Select("id, pkcs8").Order("generation").Scan(&kept).Error)
	require.Len(t, kept, 2)
	return kept
}

// ask sends Authorization headers as they are written.
func (d *door) ask(t *testing.T, path string, authorization ...string) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+path, nil)
	require.NoError(t, err)
	req.Header["Authorization"] = authorization
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(raw)
}

const (
	me     = "/api/v1/users/me"
	staff  = "/api/v1/staff"
	admin  = "/api/v1/admin"
	public = "/api/v1/public"
)

// refused: nothing opens, not even what is open to everybody, and the answer tells
// an attacker nothing of how tokens are read.
func (d *door) refused(t *testing.T, authorization ...string) {
	t.Helper()
	for _, path := range []string{me, staff, admin, public} {
		status, header, body := d.ask(t, path, authorization...)
		require.Equal(t, http.StatusUnauthorized, status, "%s: %s", path, body)
		require.Equal(t, "application/problem+json", header.Get("Content-Type"))
		require.Equal(t, "no-store", header.Get("Cache-Control"))
		require.NotEmpty(t, header.Get("WWW-Authenticate"))
		var problem struct {
			Code, Detail string
			TraceID      string `json:"trace_id"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &problem), body)
		require.Equal(t, "unauthenticated", problem.Code)
		require.NotEmpty(t, problem.Detail)
		require.NotEmpty(t, problem.TraceID)
		for _, inside := range []string{"jwt", "jws", "json:", "base64", "illegal", ".go", "goroutine", "signature", d.forge.Kid, "pkcs"} {
			require.NotContains(t, strings.ToLower(strings.ReplaceAll(body, "signed JWT", "")), inside)
		}
	}
}

// admitted: good for the customer and nobody more.
func (d *door) admitted(t *testing.T, authorization string) {
	t.Helper()
	for path, want := range map[string]int{me: 200, staff: 403, admin: 403, public: 200} {
		status, _, body := d.ask(t, path, authorization)
		require.Equal(t, want, status, "%s: %s", path, body)
		if path == me {
			require.Contains(t, body, d.user.ID)
		}
	}
}

// TestForgedTokens sends tokens that are wrong in one thing each, most of them
// signed with identity's own key, through routes of every access rule.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	forgeries, controls := d.forge.Forgeries(), d.forge.Controls()
	require.Greater(t, len(forgeries), 100)
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		for name, token := range forgeries {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d.refused(t, "Bearer "+token)
			})
		}
	})
	t.Run("admitted", func(t *testing.T) {
		t.Parallel()
		for name, token := range controls {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d.admitted(t, "Bearer "+token)
			})
		}
	})
}

// TestAuthorizationHeaders sends a good token in every way but the right one.
func TestAuthorizationHeaders(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	good := d.forge.Good
	for name, lines := range map[string][]string{
		"empty":               {""},
		"a scheme alone":      {"Bearer"},
		"a scheme, a space":   {"Bearer "},
		"no scheme":           {good},
		"Basic":               {"Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+good))},
		"Basic, the token":    {"Basic " + good},
		"Token":               {"Token " + good},
		"a tab":               {"Bearer\t" + good},
		"a colon":             {"Bearer: " + good},
		"twice the scheme":    {"Bearer Bearer " + good},
		"two in one":          {"Bearer " + good + ", Bearer " + good},
		"two lines":           {"Bearer " + good, "Bearer " + good},
		"good, then Basic":    {"Bearer " + good, "Basic YWRtaW46YWRtaW4="},
		"something, then it":  {"Basic YWRtaW46YWRtaW4=", "Bearer " + good},
		"quoted":              {`Bearer "` + good + `"`},
		"as a parameter":      {"Bearer token=" + good},
		"followed by another": {"Bearer " + good + " " + good},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.refused(t, lines...)
		})
	}
	for name, line := range map[string]string{"small letters": "bearer " + good, "capitals": "BEARER " + good, "two spaces": "Bearer  " + good, "a space behind": "Bearer " + good + " "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.admitted(t, line)
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		for _, h := range []webtest.Header{{"Cookie": "access_token=" + good}, {"X-Access-Token": good}, {"Proxy-Authorization": "Bearer " + good}, {"X-Forwarded-Authorization": "Bearer " + good}} {
			d.Do("GET", me, nil, h).RequireCode(401, "unauthenticated")
		}
		d.Do("GET", me+"?access_token="+good, nil).RequireCode(401, "unauthenticated")
	})
}

// TestTokensOfOtherKinds uses each of the shop's tokens where another belongs.
func TestTokensOfOtherKinds(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	session := identitytest.MustLogIn(t, d.users.Service, d.user)
	d.admitted(t, "Bearer "+session.AccessToken)
	d.refused(t, "Bearer "+session.RefreshToken)
	guest := make([]byte, 32) // what a guest's cart token looks like
	_, _ = rand.Read(guest)
	d.refused(t, "Bearer "+base64.RawURLEncoding.EncodeToString(guest))
	d.refused(t, "Bearer "+identitytest.Password)

	refresh := func(token any) webtest.Response {
		return d.Do("POST", "/api/v1/sessions/refresh", object{"refresh_token": token})
	}
	refresh(session.AccessToken).RequireCode(422, "invalid") // longer than a refresh token can be
	for _, bad := range []string{session.AccessToken[:200], session.RefreshToken + "A", session.RefreshToken[1:], strings.ToUpper(session.RefreshToken),
		session.RefreshToken + "=", " " + session.RefreshToken, base64.RawURLEncoding.EncodeToString(guest), session.UserID, "' OR '1'='1", "%", "*", "null"} {
		refresh(bad).RequireCode(401, "session.invalid_refresh_token")
	}
	for _, bad := range []any{nil, 1, true, []string{session.RefreshToken}, object{"$ne": ""}} {
		refresh(bad).RequireCode(400, "malformed")
	}
	refresh("").RequireCode(422, "invalid")
	refresh(session.RefreshToken).Require(201) // none of these has used it up
}

// TestEndedTokens: what holds after a session or a key has ended.
func TestEndedTokens(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	one := identitytest.MustLogIn(t, d.users.Service, d.user)
	two := identitytest.MustLogIn(t, d.users.Service, d.user)
	d.Do("DELETE", "/api/v1/sessions/current", nil, webtest.As(one.AccessToken)).Require(204)
	refresh := func(s identity.Session) webtest.Response {
		return d.Do("POST", "/api/v1/sessions/refresh", object{"refresh_token": s.RefreshToken})
	}
	refresh(one).RequireCode(401, "session.invalid_refresh_token")
	refresh(two).Require(201)                // another log-in is not ended
	d.admitted(t, "Bearer "+one.AccessToken) // until it expires, by the record on sessions
	d.now.Advance(15*time.Minute + 6*time.Second)
	d.refused(t, "Bearer "+one.AccessToken)

	// A key that is taken out of the table ends the tokens it has signed, the
	// remembered ones too, within the 5 minutes that keys are believed for.
	old, young := d.forge.Claims(object{"exp": d.forge.Now() + 7200}), d.forge.With(d.forge.NextKey, d.forge.NextKid, object{"exp": d.forge.Now() + 7200})
	d.admitted(t, "Bearer "+old)
	d.admitted(t, "Bearer "+young)
	require.NoError(t, d.db.Atomic(t.Context(), func(ctx context.Context) error {
		return d.db.Conn(ctx).Exec("DELETE FROM signing_keys WHERE id = ?", d.forge.Kid).Error
	}))
	d.now.Advance(5*time.Minute + time.Second)
	d.refused(t, "Bearer "+old)
	d.admitted(t, "Bearer "+young)
}

// TestAnotherShop: a shop with other keys does not take our tokens, whatever they say.
func TestAnotherShop(t *testing.T) {
	t.Parallel()
	ours, theirs := openDoor(t), openDoor(t)
	ours.admitted(t, "Bearer "+ours.forge.Good)
	theirs.refused(t, "Bearer "+ours.forge.Good)
	theirs.refused(t, "Bearer "+ours.forge.Headers(object{"kid": theirs.forge.Kid}))
}
