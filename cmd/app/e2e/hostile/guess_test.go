package hostile

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// What docs/access.md says of log-ins.
const (
	perEmail   = 10
	perAddress = 100
)

// personal is what differs in two equal refusals.
var personal = regexp.MustCompile(`"trace_id":"[0-9a-f]+"`)

// guess tries to log in from a claimed address.
func (w *world) guess(t *testing.T, email, password string, n int64) shoptest.Answer {
	t.Helper()
	c := forwarding(w.Anyone(), fmt.Sprintf("203.0.%d.%d", n/250%250, n%250+1))
	a, err := c.Try(t.Context(), http.MethodPost, "/sessions", object{"email": email, "password": password})
	require.NoError(t, err)
	return a
}

// TestGuessing guesses passwords: many for one account, and one for many
// accounts. Claimed addresses do not help, an answer does not tell whether the
// e-mail exists, and who is being guessed at stays logged in.
func TestGuessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	victim, bystander := w.member(t), w.member(t)
	session := w.Anyone().Do(t, http.StatusCreated, http.MethodPost, "/sessions", object{"email": victim, "password": shoptest.Password})

	// The same guesses at an account that is there and one that is not. A success
	// in between would forget what failed, so there is none.
	var n int64
	answers := map[string][]string{}
	for _, email := range []string{victim, "nobody-at-all@example.com"} {
		for range perEmail + 2 {
			n++
			a := w.guess(t, email, "not the right password", n)
			answers[email] = append(answers[email], strconv.Itoa(a.Status)+" "+a.Text("code"))
			if a.Status == http.StatusTooManyRequests {
				seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
				require.NoError(t, err)
				require.Positive(t, seconds)
				require.LessOrEqual(t, seconds, 15*60)
				continue
			}
			answers[email] = append(answers[email], personal.ReplaceAllString(a.Raw, ""))
		}
	}
	require.Equal(t, answers[victim], answers["nobody-at-all@example.com"], "the answers tell which e-mail exists")
	require.Equal(t, "401 session.invalid_credentials", answers[victim][0])
	require.Equal(t, "429 session.throttled", answers[victim][2*perEmail])
	require.Len(t, answers[victim], 2*perEmail+2)

	// Documented: the right password must wait too, and a session goes on.
	require.Equal(t, http.StatusTooManyRequests, w.guess(t, victim, shoptest.Password, 1).Status)
	w.Anyone().Do(t, http.StatusCreated, http.MethodPost, "/sessions/refresh", object{"refresh_token": session.Text("refresh_token")})
	w.LogIn(t, bystander, shoptest.Password) // at the same address

	// One password for many accounts: the address is turned away.
	var refused, throttled atomic.Int64
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range perAddress / 3 {
				at := int64(1000*i + j)
				a, err := forwarding(w.Anyone(), fmt.Sprintf("198.51.%d.%d", i, j+1)).
					Try(t.Context(), http.MethodPost, "/sessions", object{"email": fmt.Sprintf("spray-%d@example.com", at), "password": "password1234"})
				switch {
				case err != nil:
					t.Error(err)
				case a.Status == http.StatusUnauthorized:
					refused.Add(1)
				case a.Status == http.StatusTooManyRequests:
					throttled.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.Positive(t, throttled.Load())
	require.LessOrEqual(t, refused.Load(), int64(perAddress-2*perEmail), "claimed addresses gave more guesses")
	require.Equal(t, http.StatusTooManyRequests, w.guess(t, "fresh@example.com", "password1234", 9999).Status)

	// Who is logged in is not disturbed.
	w.owner.Get(t, "/users/me")
	w.admin.Get(t, "/orders?limit=1&all=true")
	w.Audited(t)
}

// TestStrangersGuess guesses at somebody's password from elsewhere until that is
// turned away: who comes from where they have logged in before is let in.
func TestStrangersGuess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "BANYAN_HTTP_TRUSTED_PROXIES=127.0.0.0/8")
	victim := w.member(t)
	logIn := func(addr, password string) int {
		a, err := w.Anyone().With("X-Forwarded-For", addr).Try(t.Context(), http.MethodPost, "/sessions", object{"email": victim, "password": password})
		require.NoError(t, err)
		return a.Status
	}
	const home, away, stranger = "203.0.113.7", "203.0.113.8", "198.51.100.9"
	require.Equal(t, http.StatusCreated, logIn(home, shoptest.Password))
	for range perEmail {
		require.Equal(t, http.StatusUnauthorized, logIn(stranger, "not the right password"))
	}
	require.Equal(t, http.StatusTooManyRequests, logIn(stranger, "not the right password"))
	require.Equal(t, http.StatusTooManyRequests, logIn(away, shoptest.Password))
	require.Equal(t, http.StatusCreated, logIn(home, shoptest.Password))
}

// TestManyAddresses lets a trusted proxy name ever new addresses: what the limits
// remember of them is bounded.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "BANYAN_RATE_LIMIT=on", "BANYAN_HTTP_TRUSTED_PROXIES=127.0.0.0/8")
	ask := func(from, to int64) {
		next := atomic.Int64{}
		next.Store(from)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				c := w.Anyone()
				for i := next.Add(1); i <= to; i = next.Add(1) {
					a, err := c.With("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)).Try(t.Context(), http.MethodGet, "/shipping/rates?country=US", nil)
					if err != nil || a.Status != http.StatusOK {
						t.Errorf("a new address was refused: %v %s", err, a.Raw)
						return
					}
				}
			})
		}
		all.Wait()
	}
	ask(0, 500)
	before := w.Metric(t, "go_memstats_heap_inuse_bytes")
	require.Positive(t, before)
	resident := w.resident(t)
	n := int64(shoptest.Storm(3_000, 100_000))
	ask(1000, 1000+n)
	shoptest.Until(t, "the heap is as it was", func() bool {
		w.Anyone().With("X-Forwarded-For", "192.0.2.1").Get(t, "/shipping/rates?country=US")
		return w.Metric(t, "go_memstats_heap_inuse_bytes") <= before*3/2+32<<20
	})
	after := w.resident(t)
	require.LessOrEqual(t, after, resident+mostResident, "what the process holds has grown from %d bytes", resident)
	t.Logf("%d addresses; resident %d MB, then %d MB", n, resident>>20, after>>20)
}
