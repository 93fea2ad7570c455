package identitymodule_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/identity"
	"github.com/banyan-tree/banyan/modules/identity/identitytest"
)

// guess tries a wrong password. On a machine under load it comes back, as a
// client is told to, until there was a place to hash in; each try waits for one.
func guess(svc identity.Service, email, addr string) error {
	for {
		_, err := svc.LogIn(context.Background(), identity.LogInRequest{Email: email, Password: "a wrong password", ClientAddr: addr})
		if !errors.Is(err, fault.Unavailable) {
			return err
		}
	}
}

func TestWindowEnds(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(start)
		m := setup(t, db, now.Now)
		other := instance(t, db, now.Now)
		u := identitytest.MustRegister(t, m.Service)
		for i := range 10 {
			svc := m.Service
			if i%2 == 1 {
				svc = other.Service // instances count together
			}
			require.ErrorIs(t, guess(svc, u.Email, ""), identity.InvalidCredentials)
			now.Advance(time.Minute)
		}
		err := guess(other.Service, u.Email, "")
		require.ErrorIs(t, err, identity.Throttled)
		require.Equal(t, "300", fault.From(err).Details["retry_after"], "15 minutes after the first one")
		now.Advance(5*time.Minute - time.Second)
		require.ErrorIs(t, guess(m.Service, u.Email, ""), identity.Throttled)
		now.Advance(time.Second)
		identitytest.MustLogIn(t, m.Service, u)
	})
}

// No crowd of simultaneous guesses passes the limit.
func TestGuessesAtTheSameTime(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(start)
		m := setup(t, db, now.Now)
		u := identitytest.MustRegister(t, m.Service)
		var looked, turnedAway atomic.Int64
		errs := make(chan error, 30)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				err := guess(m.Service, u.Email, "192.0.2.1")
				switch {
				case errors.Is(err, identity.InvalidCredentials):
					looked.Add(1)
				case errors.Is(err, identity.Throttled):
					turnedAway.Add(1)
				default:
					errs <- err
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		require.EqualValues(t, 10, looked.Load())
		require.EqualValues(t, 20, turnedAway.Load())
	})
}

func TestAddressesAreThrottledToo(t *testing.T) {
	t.Parallel()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		now := clock.NewFake(start)
		m := setup(t, db, now.Now)
		u := identitytest.MustRegister(t, m.Service)
		logIn := func(addr string) error {
			_, err := m.Service.LogIn(context.Background(), identity.LogInRequest{Email: u.Email, Password: identitytest.Password, ClientAddr: addr})
			return err
		}
		for i := range 100 {
			addr := fmt.Sprintf("2001:db8::%x", i+1) // one client's /64
			require.ErrorIs(t, guess(m.Service, fmt.Sprintf("nobody-%d@example.com", i), addr), identity.InvalidCredentials)
			if i == 50 {
				require.NoError(t, logIn(addr)) // is no failure, and forgives none
			}
		}
		require.ErrorIs(t, logIn("2001:db8::ffff"), identity.Throttled)
		require.NoError(t, logIn("2001:db8:0:1::1"))
		require.NoError(t, logIn(""))
		now.Advance(15 * time.Minute)
		require.NoError(t, logIn("2001:db8::ffff"))
	})
}
