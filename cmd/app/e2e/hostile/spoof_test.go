package hostile

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// forwarding are the headers in which a client can claim another address.
func forwarding(c shoptest.Client, addr string) shoptest.Client {
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Cluster-Client-Ip"} {
		c = c.With(name, addr)
	}
	return c.With("Forwarded", "for="+addr)
}

var loggedAddress = regexp.MustCompile(`ip=(\S+)`)

// addresses are those that the log names for requests with this id.
func addresses(s *shoptest.Server, id string) (out []string) {
	for line := range strings.SplitSeq(s.Log.String(), "\n") {
		if strings.Contains(line, id) {
			for _, found := range loggedAddress.FindAllStringSubmatch(line, -1) {
				out = append(out, found[1])
			}
		}
	}
	return out
}

// TestClaimedAddresses: an address in a header changes neither whose rate limit
// it is nor what the log says, unless a trusted proxy wrote it. The log is asked first:
// where a claim is believed, the limit would be waited for in vain.
func TestClaimedAddresses(t *testing.T) {
	t.Parallel()
	t.Run("nobody is trusted", func(t *testing.T) {
		s := shoptest.Serve(t, shoptest.NewSite(t, "BANYAN_RATE_LIMIT=on", "BANYAN_LOG_LEVEL=info"))
		require.Equal(t, "127.0.0.1", seen(t, s, "198.51.100.7"))
		limited(t, s, func(i int64) string { return fmt.Sprintf("203.0.%d.%d", i/250%250, i%250+1) })
	})
	t.Run("the proxy is trusted", func(t *testing.T) {
		s := shoptest.Serve(t, shoptest.NewSite(t, "BANYAN_RATE_LIMIT=on", "BANYAN_LOG_LEVEL=info", "BANYAN_HTTP_TRUSTED_PROXIES=127.0.0.0/8"))
		// What stands left of the proxy's own word is the client's claim.
		require.Equal(t, "198.51.100.7", seen(t, s, "203.0.113.1, 198.51.100.7"))
		require.Equal(t, "127.0.0.1", seen(t, s, "nonsense"))
		limited(t, s, func(i int64) string { return fmt.Sprintf("203.0.%d.%d, 198.51.100.9", i/250%250, i%250+1) })
		a := forwarding(s.Anyone(), "198.51.100.8").Get(t, "/products?limit=1")
		require.Equal(t, "99", a.Header.Get("RateLimit-Remaining"), "another client has a limit of its own")
	})
	t.Run("another proxy is trusted", func(t *testing.T) {
		s := shoptest.Serve(t, shoptest.NewSite(t, "BANYAN_LOG_LEVEL=info", "BANYAN_HTTP_TRUSTED_PROXIES=10.0.0.0/8"))
		require.Equal(t, "127.0.0.1", seen(t, s, "10.0.0.1"))
	})
}

// limited asks, each time with another claim, until the limit is reached. Where a
// claim is believed that never happens.
func limited(t *testing.T, s *shoptest.Server, claim func(i int64) string) {
	t.Helper()
	var n, refused atomic.Int64
	shoptest.Until(t, "the rate limit refuses", func() bool {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				c := s.Anyone()
				for range 50 {
					a, err := forwarding(c, claim(n.Add(1))).Try(t.Context(), http.MethodGet, "/shipping/rates?country=US", nil)
					if err == nil && a.Status == http.StatusTooManyRequests && a.Header.Get("Retry-After") != "" {
						refused.Add(1)
					}
				}
			})
		}
		all.Wait()
		return refused.Load() > 0
	})
}

// seen asks with a claim and gives the address that the log names for it.
func seen(t *testing.T, s *shoptest.Server, claim string) string {
	t.Helper()
	a, err := forwarding(s.Anyone(), claim).Try(t.Context(), http.MethodGet, "//health/live", nil)
	require.NoError(t, err)
	id := a.Header.Get("X-Request-Id")
	var found []string
	shoptest.Until(t, "the request is in the log", func() bool {
		found = addresses(s, id)
		return len(found) > 0
	})
	require.Len(t, found, 1)
	return found[0]
}

// TestClaimedIdentity: no header but Authorization says who asks, none says that
// another method or host is meant.
func TestClaimedIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	claims := w.Anyone()
	for _, name := range []string{
		"X-User", "X-User-Id", "X-Subject", "X-Roles", "X-Role", "X-Principal", "Principal", "Banyan-Principal", "X-Banyan-Principal", "X-Banyan-Roles",
		"X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Auth-Request-User", "X-Original-Url", "X-Rewrite-Url", "X-Amzn-Oidc-Identity", "Cookie", "X-Access-Token", "Proxy-Authorization",
	} {
		claims = claims.With(name, `{"subject":"admin","roles":["admin","system"]}`)
	}
	require.Equal(t, http.StatusUnauthorized, try(t, claims, http.MethodGet, "/users/me").Status)
	require.Equal(t, http.StatusUnauthorized, try(t, claims, http.MethodGet, "/orders/"+w.order).Status)
	as := claims.With("Authorization", w.other.Sends("Authorization"))
	require.Equal(t, w.other.Get(t, "/users/me").Raw, as.Get(t, "/users/me").Raw)
	require.Equal(t, http.StatusNotFound, try(t, as, http.MethodGet, "/orders/"+w.order).Status)
	require.Equal(t, http.StatusForbidden, try(t, as, http.MethodGet, "/orders?all=true").Status)
	token := strings.TrimPrefix(w.owner.Sends("Authorization"), "Bearer ")
	for _, query := range []string{"access_token", "token", "bearer_token"} {
		require.NotEqual(t, http.StatusOK, try(t, w.Anyone(), http.MethodGet, "/users/me?"+query+"="+token).Status, "a token in the address, where logs keep it")
	}

	cart := w.owner.Get(t, "/cart").Raw
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		for _, method := range []string{http.MethodDelete, http.MethodPut} {
			a := try(t, w.owner.With(name, method), http.MethodPost, "/cart/items/"+shoptest.Staple)
			require.Equal(t, http.StatusMethodNotAllowed, a.Status)
			require.Equal(t, http.StatusOK, try(t, w.owner.With(name, method), http.MethodGet, "/cart").Status)
		}
	}
	require.Equal(t, cart, w.owner.Get(t, "/cart").Raw)
	require.Equal(t, http.StatusOK, try(t, w.owner.With("Connection", "Authorization, X-Request-Id"), http.MethodGet, "/users/me").Status)
	hosts(t, w)
}

// hosts claims to have asked somebody else.
func hosts(t *testing.T, w *world) {
	t.Helper()
	evil := w.admin
	for _, name := range []string{"X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host"} {
		evil = evil.With(name, "evil.example")
	}
	evil = evil.With("X-Forwarded-Proto", "gopher").With("Forwarded", "host=evil.example;proto=gopher").With("X-Forwarded-Prefix", "/evil").With("Origin", "http://evil.example").With("Referer", "http://evil.example/")
	made := evil.Do(t, http.StatusCreated, http.MethodPost, "/products", productBody("host-made"))
	require.Equal(t, "/api/v1/products/host-made", made.Header.Get("Location"))
	require.Empty(t, made.Header.Get("Access-Control-Allow-Origin"))
	for _, path := range []string{"//.well-known/openid-configuration", "//openapi.json", "//docs", "//health/ready"} {
		require.NotContains(t, evil.Get(t, path).Raw, "evil.example")
	}
	require.Equal(t, "http://shop.example", evil.Get(t, "//.well-known/openid-configuration").Text("issuer"))
	a, err := w.wire(t, "POST /api/v1/sessions HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nContent-Type: application/json\r\nConnection: close\r\n", string(mustJSON(object{"email": w.member(t), "password": shoptest.Password})))
	require.NoError(t, err)
	require.Contains(t, a, " 201 ")
	jwt := regexp.MustCompile(`"access_token":"[^.]+[.]([^.]+)[.]`).FindStringSubmatch(a)
	require.NotNil(t, jwt, a)
	claimed, err := base64.RawURLEncoding.DecodeString(jwt[1])
	require.NoError(t, err)
	require.Contains(t, string(claimed), `"iss":"http://shop.example"`)
}

func try(t *testing.T, c shoptest.Client, method, path string) shoptest.Answer {
	t.Helper()
	a, err := c.Try(t.Context(), method, path, nil)
	require.NoError(t, err)
	return a
}

// member is the e-mail of a new customer.
func (w *world) member(t *testing.T) string {
	t.Helper()
	email := strings.ToLower(rand.Text()) + "@example.com"
	w.Anyone().Do(t, http.StatusCreated, http.MethodPost, "/users", object{"email": email, "password": shoptest.Password, "name": "Mo"})
	return email
}
