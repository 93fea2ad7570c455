// Package contention lets many buyers, instances and faults of the database at
// the shop at the same time, and judges from outside what came of it: by answers
// and by the payment provider's own ledger. With BANYAN_TEST_STORM=full it does
// so for minutes.
package contention

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }

// full tells that this is the full size: what is judged by the clock, or what a machine
// that stands still spoils, is demanded there only.
func full() bool { return shoptest.Storm(0, 1) == 1 }

// beside lets a test run beside others, but at full size: there what is judged by the
// clock has all processors to itself.
func beside(t *testing.T) {
	t.Helper()
	if !full() {
		t.Parallel()
	}
}

const chief = "chief@example.com"

// fleet is the instances of one shop.
type fleet struct {
	all   []*shoptest.Server
	admin shoptest.Client
}

// serve runs n instances on the site, which have one admin.
func serve(t *testing.T, at shoptest.Site, n int) fleet {
	t.Helper()
	at = at.With("BANYAN_ADMIN_EMAIL="+chief, "BANYAN_ADMIN_PASSWORD="+shoptest.Password)
	f := fleet{all: []*shoptest.Server{shoptest.Serve(t, at)}}
	for len(f.all) < n {
		f.all = append(f.all, shoptest.Serve(t, at.Twin(t)))
	}
	f.logIn(t)
	return f
}

// logIn renews the admin's token, which lasts a quarter of an hour.
func (f *fleet) logIn(t *testing.T) {
	t.Helper()
	f.admin = f.all[0].LogIn(t, chief, shoptest.Password)
}

// at is the instance of the i-th buyer.
func (f fleet) at(i int) string { return f.all[i%len(f.all)].Shop }

// here gives the addresses of all instances, for a burst.
func (f fleet) here() []func() string {
	var all []func() string
	for _, s := range f.all {
		all = append(all, s.Here)
	}
	return all
}

// clean demands that no instance complained about what must not happen.
func (f fleet) clean(t *testing.T) {
	t.Helper()
	for _, s := range f.all {
		for _, word := range []string{"database is locked", "SQLITE_BUSY", "panic"} {
			require.Zero(t, s.Log.Seen(word), "%q is in the log", word)
		}
	}
}

// onEach runs fn on SQLite with one instance and on PostgreSQL with two.
func onEach(t *testing.T, fn func(t *testing.T, f fleet), settings ...string) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, serve(t, shoptest.NewSite(t, settings...), 1))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, serve(t, shoptest.NewPostgresSite(t, settings...), 2))
	})
}

// sometime waits for a random time below most, or until ctx ends.
func sometime(ctx context.Context, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(mathrand.N(most)):
	}
}

// notCharged tells that an order failed because its card could not be charged in time.
// At the small size a disk that stands still does that to a good card, and it is ordered
// again; at full size it must not happen.
func notCharged(o shoptest.Answer) bool {
	return !full() && o.Text("reason") == "payment.unavailable"
}

func fresh() string { return rand.Text() }
