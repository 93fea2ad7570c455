package wallethttp_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/internal/web/webtest"
	"github.com/banyan-tree/banyan/modules/wallet/wallethttp"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

type object = map[string]any

func setup(t *testing.T) (*wallettest.Fake, *webtest.Server) {
	t.Helper()
	fake := wallettest.NewFake()
	return fake, webtest.New(t, func(r *web.Router) { wallethttp.Register(r, wallethttp.Deps{Wallet: fake}) })
}

func ada(key string) webtest.Header {
	return webtest.As("user:ada").With("Idempotency-Key", key)
}

func amount(cents int64) object {
	return object{"amount": object{"amount": cents, "currency": "USD"}}
}

func card(cents int64, token string) object {
	body := amount(cents)
	body["token"] = token
	return body
}

func TestBalance(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	s.Do("GET", "/api/v1/wallet", nil).Require(http.StatusUnauthorized)
	got := s.Do("GET", "/api/v1/wallet", nil, webtest.As("user:ada")).Require(http.StatusOK)
	require.Equal(t, []string{"0", "0", "0"}, []string{got.Get("balance.amount"), got.Get("available.amount"), got.Get("version")})
	before := time.Now().Add(-time.Second).UTC()
	fake.Fund("ada", 1000)
	wallettest.MustHold(t, fake, "ada", 300)
	got = s.Do("GET", "/api/v1/wallet", nil, webtest.As("user:ada")).Require(http.StatusOK)
	require.Equal(t, []string{"1000", "700", "3"}, []string{got.Get("balance.amount"), got.Get("available.amount"), got.Get("version")})
	past := s.Do("GET", "/api/v1/wallet?at="+before.Format(time.RFC3339Nano), nil, webtest.As("user:ada")).Require(http.StatusOK)
	require.Equal(t, []string{"0", "0"}, []string{past.Get("balance.amount"), past.Get("version")})
	east := url.QueryEscape(before.In(time.FixedZone("", 2*3600)).Format(time.RFC3339))
	require.Equal(t, "0", s.Do("GET", "/api/v1/wallet?at="+east, nil, webtest.As("user:ada")).Require(http.StatusOK).Get("version"))
	require.Equal(t, "0", s.Do("GET", "/api/v1/wallet", nil, webtest.As("user:bob")).Require(http.StatusOK).Get("version"), "one's own only")
	for _, bad := range []string{"yesterday", "2026-13-01T00:00:00Z", ""} {
		status := s.Do("GET", "/api/v1/wallet?at="+bad, nil, webtest.As("user:ada")).Status
		require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, status, bad)
	}
}

func TestEventsAndStatement(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	require.Equal(t, "", s.Do("GET", "/api/v1/wallet/events", nil, webtest.As("user:ada")).Require(http.StatusOK).Get("next_cursor"))
	fake.Fund("ada", 1000)
	fake.Fund("ada", 500)
	period := "from=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + "&until=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, path := range []string{"/api/v1/wallet/events?", "/api/v1/wallet/statement?" + period + "&"} {
		s.Do("GET", path, nil).Require(http.StatusUnauthorized)
		first := s.Do("GET", path+"limit=2", nil, webtest.As("user:ada")).Require(http.StatusOK)
		require.Equal(t, []string{"opened", "deposited", "1000"}, []string{first.Get("items.0.type"), first.Get("items.1.type"), first.Get("items.1.balance.amount")})
		last := s.Do("GET", path+"limit=2&cursor="+url.QueryEscape(first.Get("next_cursor")), nil, webtest.As("user:ada")).Require(http.StatusOK)
		require.Equal(t, []string{"3", "1500", ""}, []string{last.Get("items.0.version"), last.Get("items.0.balance.amount"), last.Get("next_cursor")})
		s.Do("GET", path+"cursor=x", nil, webtest.As("user:ada")).Require(http.StatusBadRequest)
		s.Do("GET", path+"limit=101", nil, webtest.As("user:ada")).Require(http.StatusUnprocessableEntity)
	}
	whole := s.Do("GET", "/api/v1/wallet/statement?"+period, nil, webtest.As("user:ada")).Require(http.StatusOK)
	require.Equal(t, []string{"0", "1500", "0"}, []string{whole.Get("opening.amount"), whole.Get("closing.amount"), whole.Get("behind")})
}

func TestDeposit(t *testing.T) {
	t.Parallel()
	_, s := setup(t)
	post := func(body any, headers ...webtest.Header) webtest.Response {
		return s.Do("POST", "/api/v1/wallet/deposits", body, headers...)
	}
	post(card(2500, "tok_visa")).Require(http.StatusUnauthorized)
	post(card(2500, "tok_visa"), webtest.As("user:ada")).RequireCode(http.StatusBadRequest, "idempotency_key.missing")
	first := post(card(2500, "tok_visa"), ada("k")).Require(http.StatusCreated)
	require.Equal(t, []string{"ada", "2500"}, []string{first.Get("user_id"), first.Get("amount.amount")})
	again := post(card(2500, "tok_visa"), ada("k")).Require(http.StatusCreated)
	require.Equal(t, first.Get("id"), again.Get("id"))
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	post(card(2501, "tok_visa"), ada("k")).RequireCode(http.StatusUnprocessableEntity, "idempotency_key.reused")
	post(card(2500, "tok_declined"), ada("k2")).RequireCode(http.StatusConflict, "payment.declined")
	post(card(2500, "tok_error"), ada("k3")).RequireCode(http.StatusServiceUnavailable, "payment.unavailable")
	for i, bad := range []object{card(0, "tok_visa"), card(-1, "tok_visa"), card(100_000_001, "tok_visa"), card(5, ""), amount(5), {"amount": object{"amount": 5, "currency": "EUR"}, "token": "tok_visa"}} {
		post(bad, ada("bad"+strconv.Itoa(i))).Require(http.StatusUnprocessableEntity)
	}
	require.Equal(t, "2500", s.Do("GET", "/api/v1/wallet", nil, webtest.As("user:ada")).Require(http.StatusOK).Get("balance.amount"))
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	fake, s := setup(t)
	fake.Fund("ada", 1000)
	post := func(body any, headers ...webtest.Header) webtest.Response {
		return s.Do("POST", "/api/v1/wallet/withdrawals", body, headers...)
	}
	post(amount(100)).Require(http.StatusUnauthorized)
	post(amount(100), webtest.As("user:ada")).RequireCode(http.StatusBadRequest, "idempotency_key.missing")
	for range 2 {
		got := post(amount(400), ada("k")).Require(http.StatusCreated)
		require.Equal(t, "600", got.Get("wallet.balance.amount"))
	}
	post(amount(601), ada("k2")).RequireCode(http.StatusConflict, "wallet.insufficient_funds")
	post(amount(1), webtest.As("user:bob").With("Idempotency-Key", "k")).RequireCode(http.StatusConflict, "wallet.insufficient_funds")
	post(amount(0), ada("k3")).RequireCode(http.StatusUnprocessableEntity, "wallet.invalid")
}
