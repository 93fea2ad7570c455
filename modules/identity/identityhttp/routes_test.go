package identityhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identityhttp"
	"github.com/banyan-tree/banyan/modules/identity/identitytest"
)

// merges is a cart that only knows Merge.
type merges struct {
	cart.Service
	mu    sync.Mutex
	asked []cart.MergeRequest
	as    []port.Principal
	err   error
}

func (m *merges) Merge(ctx context.Context, req cart.MergeRequest) (cart.MergeReply, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked, m.as = append(m.asked, req), append(m.as, port.PrincipalFrom(ctx))
	return cart.MergeReply{Lines: 1}, m.err
}

// withSession adds the session to whom a token stands for.
type withSession struct {
	t *testing.T
	*web.TokenVerifier
}

func (v withSession) Verify(ctx context.Context, token string) (port.Principal, error) {
	p, err := v.TokenVerifier.Verify(ctx, token)
	if err == nil {
		_, c := identitytest.MustRead(v.t, token)
		p.Session = c.Session
	}
	return p, err
}

func setup(t *testing.T) (*webtest.Server, *identitytest.Fake, *merges) {
	t.Helper()
	svc, carts := identitytest.NewFake(), &merges{}
	verifier := withSession{t, identitytest.Verifier(t, svc, identitytest.FakeIssuer, clock.System)}
	s := webtest.New(t, func(r *web.Router) {
		identityhttp.Register(r, identityhttp.Deps{Identity: svc, Cart: carts})
	}, func(c *web.Config) { c.Verifier = verifier })
	return s, svc, carts
}

type object = map[string]any

func credentials(email string) object {
	return object{"email": email, "password": identitytest.Password}
}

func TestRegisterLogInLogOut(t *testing.T) {
	t.Parallel()
	s, _, carts := setup(t)
	email := identitytest.Email()
	r := s.Do("POST", "/api/v1/users", object{"email": strings.ToUpper(email), "password": identitytest.Password, "name": "Anna"}).Require(201)
	userID := r.Get("id")
	require.JSONEq(t, `{"id":"`+userID+`","email":"`+email+`","name":"Anna","roles":["customer"]}`, string(r.Raw))
	s.Do("POST", "/api/v1/users", object{"email": email, "password": identitytest.Password, "name": "Anna"}).RequireCode(409, "user.email_taken")

	first := s.Do("POST", "/api/v1/sessions", credentials(email)).Require(201)
	require.Equal(t, "Bearer", first.Get("token_type"))
	require.Equal(t, "900", first.Get("expires_in"))
	require.Equal(t, "no-store", first.Header.Get("Cache-Control"))
	require.Empty(t, carts.asked)
	other := s.Do("POST", "/api/v1/sessions", credentials(email)).Require(201)

	second := s.Do("POST", "/api/v1/sessions/refresh", object{"refresh_token": first.Get("refresh_token")}).Require(201)
	require.JSONEq(t, string(s.Do("GET", "/api/v1/users/me", nil, webtest.As(second.Get("access_token"))).Require(200).Raw), string(r.Raw))

	s.Do("DELETE", "/api/v1/sessions/current", nil, webtest.As(second.Get("access_token"))).Require(204)
	s.Do("POST", "/api/v1/sessions/refresh", object{"refresh_token": second.Get("refresh_token")}).RequireCode(401, "session.invalid_refresh_token")
	s.Do("POST", "/api/v1/sessions/refresh", object{"refresh_token": other.Get("refresh_token")}).Require(201)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s, _, _ := setup(t)
	good := func(key string, value any) object {
		body := object{"email": identitytest.Email(), "password": identitytest.Password, "name": "Anna"}
		body[key] = value
		return body
	}
	s.Do("POST", "/api/v1/users", good("password", "eleven char")).Require(422)
	s.Do("POST", "/api/v1/users", good("name", "")).Require(422)
	s.Do("POST", "/api/v1/users", good("email", "not an e-mail")).RequireCode(422, "user.invalid")
	s.Do("POST", "/api/v1/users", good("roles", []string{"admin"})).Require(400)
	s.Do("POST", "/api/v1/users", object{"email": "a@b.org"}).Require(422)
	s.Do("POST", "/api/v1/sessions", `{"email":1}`).Require(400)
	s.Do("POST", "/api/v1/sessions", credentials(identitytest.Email())).RequireCode(401, "session.invalid_credentials")
	s.Do("GET", "/api/v1/users/me", nil).Require(401)
	s.Do("DELETE", "/api/v1/sessions/current", nil).Require(401)
	s.Do("GET", "/api/v1/users/me", nil, webtest.As("forged")).Require(401)
}

func TestThrottledIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	s, svc, _ := setup(t)
	u := identitytest.MustRegister(t, svc)
	for range 10 {
		s.Do("POST", "/api/v1/sessions", object{"email": u.Email, "password": "a wrong password"}).Require(401)
	}
	r := s.Do("POST", "/api/v1/sessions", credentials(u.Email)).RequireCode(429, "session.throttled")
	require.Equal(t, "900", r.Header.Get("Retry-After"))
}

// The address comes from the connection: 100 failures of it turn it away.
func TestAddressIsPassedOn(t *testing.T) {
	t.Parallel()
	s, svc, _ := setup(t)
	for range 100 {
		s.Do("POST", "/api/v1/sessions", credentials(identitytest.Email())).Require(401)
	}
	s.Do("POST", "/api/v1/sessions", credentials(identitytest.MustRegister(t, svc).Email)).RequireCode(429, "session.throttled")
}

func TestGuestCartIsMerged(t *testing.T) {
	t.Parallel()
	s, svc, carts := setup(t)
	u := identitytest.MustRegister(t, svc)
	s.Do("POST", "/api/v1/sessions", credentials(u.Email), webtest.Header{"X-Cart-Token": "guest"}).Require(201)
	require.Equal(t, []cart.MergeRequest{{UserID: u.ID, GuestToken: "guest"}}, carts.asked)
	require.True(t, carts.as[0].MayActFor(u.ID))
	require.False(t, carts.as[0].Has(port.RoleStaff))

	carts.err = errors.New("down")
	s.Do("POST", "/api/v1/sessions", credentials(u.Email), webtest.Header{"X-Cart-Token": "guest"}).Require(201)
	require.Len(t, carts.asked, 2)
	s.Do("POST", "/api/v1/sessions", object{"email": u.Email, "password": "a wrong password"}, webtest.Header{"X-Cart-Token": "guest"}).Require(401)
	require.Len(t, carts.asked, 2, "only who is logged in gets the cart")
}

type noKeys struct{ identity.Service }

func (noKeys) KeySet(context.Context, identity.KeySetRequest) (identity.KeySet, error) {
	return identity.KeySet{}, fault.Unavailable.Wrap(errors.New("secret cause"), "down")
}

func TestWellKnown(t *testing.T) {
	t.Parallel()
	svc := identitytest.NewFake()
	keys, discovery := identityhttp.WellKnown(svc, "https://shop.example/")
	get := func(h http.Handler, method string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		return rec
	}
	r := get(keys, http.MethodGet)
	require.Equal(t, 200, r.Code)
	require.Equal(t, "public, max-age=300", r.Header().Get("Cache-Control"))
	set, err := svc.KeySet(t.Context(), identity.KeySetRequest{})
	require.NoError(t, err)
	require.Equal(t, set.JWKS, r.Body.String())
	require.Empty(t, get(keys, http.MethodHead).Body.String())
	require.Equal(t, 405, get(keys, http.MethodPost).Code)
	require.Equal(t, 405, get(discovery, http.MethodPut).Code)

	r = get(discovery, http.MethodGet)
	var doc struct {
		Issuer string   `json:"issuer"`
		Keys   string   `json:"jwks_uri"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
	}
	require.NoError(t, json.Unmarshal(r.Body.Bytes(), &doc))
	require.Equal(t, "https://shop.example/", doc.Issuer)
	require.Equal(t, "https://shop.example/.well-known/jwks.json", doc.Keys)
	require.Equal(t, []string{"EdDSA"}, doc.Algs)

}

// Keys that cannot be read are told as every error of the shop: with what to tell us,
// and with the cause in the log alone.
func TestKeysThatCannotBeRead(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := web.New(web.Config{Telemetry: web.Telemetry{Logger: slog.New(slog.NewTextHandler(&log, nil))}})
	keys, _ := identityhttp.WellKnown(noKeys{}, "https://shop.example")
	s.Mount(identityhttp.KeysPath, keys, web.Public)
	r := httptest.NewRecorder()
	s.Handler().ServeHTTP(r, httptest.NewRequest(http.MethodGet, identityhttp.KeysPath, nil))
	require.Equal(t, 503, r.Code)
	require.Equal(t, "application/problem+json", r.Header().Get("Content-Type"))
	require.Equal(t, "1", r.Header().Get("Retry-After"))
	var problem web.Problem
	require.NoError(t, json.Unmarshal(r.Body.Bytes(), &problem))
	require.Equal(t, "unavailable", problem.Code)
	require.Equal(t, r.Header().Get("X-Trace-Id"), problem.TraceID)
	require.NotContains(t, r.Body.String(), "secret")
	require.Contains(t, log.String(), "secret cause")
}
