package identitytest

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/identity"
)

// Exercise checks an implementation against the contract. It uses users of its
// own, so it can run against a service that others use too.
func Exercise(t *testing.T, svc identity.Service) {
	for name, test := range map[string]func(*testing.T, identity.Service){
		"register":          register,
		"invalid users":     invalidUsers,
		"one of many":       oneOfMany,
		"access tokens":     accessTokens,
		"log-in refusals":   logInRefusals,
		"throttling":        throttling,
		"strangers guess":   strangersGuess,
		"rotation":          rotation,
		"reuse":             reuse,
		"concurrent reuse":  concurrentReuse,
		"log out":           logOut,
		"log out all":       logOutAll,
		"roles":             roles,
		"new password":      newPassword,
		"whose user":        whoseUser,
		"only public parts": onlyPublicParts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, svc)
		})
	}
}

func register(t *testing.T, svc identity.Service) {
	email := Email()
	u, err := svc.Register(context.Background(), identity.RegisterRequest{Email: "  " + strings.ToUpper(email) + " ", Password: Password, Name: " Anna "})
	require.NoError(t, err)
	require.Equal(t, email, u.Email)
	require.Equal(t, "Anna", u.Name)
	require.Equal(t, []string{port.RoleCustomer}, u.Roles)
	require.True(t, id.Valid(u.ID))
	require.False(t, u.CreatedAt.IsZero())

	_, err = svc.Register(context.Background(), identity.RegisterRequest{Email: strings.ToUpper(email), Password: Password, Name: "Other"})
	require.ErrorIs(t, err, identity.EmailTaken)

	got, err := svc.Get(As(u), identity.GetRequest{UserID: u.ID})
	require.NoError(t, err)
	require.Equal(t, u, got)
}

func invalidUsers(t *testing.T, svc identity.Service) {
	for name, change := range map[string]func(*identity.RegisterRequest){
		"no e-mail":      func(r *identity.RegisterRequest) { r.Email = "" },
		"no domain":      func(r *identity.RegisterRequest) { r.Email = "anna@" },
		"no at":          func(r *identity.RegisterRequest) { r.Email = "anna" },
		"short password": func(r *identity.RegisterRequest) { r.Password = "eleven char" },
		"few characters": func(r *identity.RegisterRequest) { r.Password = "日本語日本語" }, // 18 bytes
		"long password":  func(r *identity.RegisterRequest) { r.Password = strings.Repeat("x", 1025) },
		"no name":        func(r *identity.RegisterRequest) { r.Name = "  " },
		"long name":      func(r *identity.RegisterRequest) { r.Name = strings.Repeat("é", 201) },
	} {
		req := identity.RegisterRequest{Email: Email(), Password: Password, Name: "Anna"}
		change(&req)
		_, err := svc.Register(context.Background(), req)
		require.ErrorIs(t, err, identity.InvalidUser, name)
	}
	longest := identity.RegisterRequest{Email: Email(), Password: strings.Repeat("x", 1024), Name: strings.Repeat("é", 200)}
	_, err := svc.Register(context.Background(), longest)
	require.NoError(t, err)
	_, err = svc.LogIn(context.Background(), identity.LogInRequest{Email: longest.Email, Password: longest.Password})
	require.NoError(t, err)
}

// oneOfMany has several register with the same e-mail at the same time.
func oneOfMany(t *testing.T, svc identity.Service) {
	email := Email()
	var made atomic.Int64
	errs := atTheSameTime(6, func(int) error {
		_, err := svc.Register(context.Background(), identity.RegisterRequest{Email: email, Password: Password, Name: "Anna"})
		if err == nil {
			made.Add(1)
		}
		return err
	})
	require.EqualValues(t, 1, made.Load())
	for _, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, identity.EmailTaken)
		}
	}
}

func atTheSameTime(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func accessTokens(t *testing.T, svc identity.Service) {
	u := MustGrant(t, svc, port.RoleStaff, port.RoleCustomer)
	s := MustLogIn(t, svc, u)
	require.Equal(t, u.ID, s.UserID)
	require.EqualValues(t, lifetime.Seconds(), s.ExpiresIn)

	h, c := MustRead(t, s.AccessToken)
	require.Equal(t, "EdDSA", h.Algorithm)
	require.Equal(t, "at+jwt", h.Type)
	require.NotEmpty(t, h.Key)
	require.Equal(t, []string{"banyan"}, c.Audience)
	require.Equal(t, u.ID, c.Subject)
	require.Equal(t, u.Roles, c.Roles)
	require.NotEmpty(t, c.Session)
	require.Equal(t, c.Issued, c.From)
	require.EqualValues(t, lifetime.Seconds(), c.Expires-c.Issued)

	p, err := Verifier(t, svc, c.Issuer, clock.System).Verify(context.Background(), s.AccessToken)
	require.NoError(t, err)
	require.Equal(t, u.ID, p.Subject)
	require.Equal(t, u.Roles, p.Roles)

	_, next := MustRead(t, MustRefresh(t, svc, s).AccessToken)
	require.Equal(t, c.Session, next.Session, "a session keeps its name")
	require.NotEqual(t, c.ID, next.ID)
	_, other := MustRead(t, MustLogIn(t, svc, u).AccessToken)
	require.NotEqual(t, c.Session, other.Session)
}

func logInRefusals(t *testing.T, svc identity.Service) {
	u := MustRegister(t, svc)
	var said []string
	for _, req := range []identity.LogInRequest{
		{Email: u.Email, Password: "not the right one"},
		{Email: u.Email, Password: ""},
		{Email: u.Email, Password: strings.Repeat(Password, 60)},
		{Email: u.Email, Password: Password + " "},
		{Email: Email(), Password: Password},
		{Email: "no e-mail " + id.V7(), Password: Password},
	} {
		_, err := svc.LogIn(context.Background(), req)
		require.ErrorIs(t, err, identity.InvalidCredentials)
		said = append(said, fault.From(err).Message)
		require.Empty(t, fault.From(err).Details)
	}
	for _, message := range said {
		require.Equal(t, said[0], message, "nothing tells whether the e-mail exists")
	}
	_, err := svc.LogIn(context.Background(), identity.LogInRequest{Email: " " + strings.ToUpper(u.Email), Password: Password})
	require.NoError(t, err)
}

func throttling(t *testing.T, svc identity.Service) {
	u := MustRegister(t, svc)
	guess := func(email string) error {
		_, err := svc.LogIn(context.Background(), identity.LogInRequest{Email: email, Password: "a wrong password"})
		return err
	}
	for range 9 {
		require.ErrorIs(t, guess(u.Email), identity.InvalidCredentials)
	}
	MustLogIn(t, svc, u) // forgets the nine
	nobody := Email()
	for _, email := range []string{u.Email, nobody} {
		for range 10 {
			require.ErrorIs(t, guess(email), identity.InvalidCredentials)
		}
		err := guess(email)
		require.ErrorIs(t, err, identity.Throttled)
		seconds, convErr := strconv.Atoi(fault.From(err).Details["retry_after"])
		require.NoError(t, convErr)
		require.Greater(t, seconds, 0)
		require.LessOrEqual(t, seconds, 900)
	}
	_, err := svc.LogIn(context.Background(), identity.LogInRequest{Email: strings.ToUpper(u.Email), Password: Password})
	require.ErrorIs(t, err, identity.Throttled, "the right password does not help any more")
	MustLogIn(t, svc, MustRegister(t, svc)) // others are not meant
}

// Whoever guesses elsewhere does not keep anybody out who comes from where they
// have logged in before.
func strangersGuess(t *testing.T, svc identity.Service) {
	u := MustRegister(t, svc)
	logIn := func(addr, password string) error {
		_, err := svc.LogIn(context.Background(), identity.LogInRequest{Email: u.Email, Password: password, ClientAddr: addr})
		return err
	}
	const home, away, stranger = "192.0.2.7", "192.0.2.8", "198.51.100.9"
	require.NoError(t, logIn(home, Password))
	for range 10 {
		require.ErrorIs(t, logIn(stranger, "a wrong password"), identity.InvalidCredentials)
	}
	require.ErrorIs(t, logIn(stranger, "a wrong password"), identity.Throttled)
	require.ErrorIs(t, logIn(away, Password), identity.Throttled, "nobody knows that it is not the stranger")
	require.NoError(t, logIn(home, Password))
	require.ErrorIs(t, logIn(away, Password), identity.Throttled, "coming home forgives the stranger nothing")
	for range 10 {
		require.ErrorIs(t, logIn(home, "a wrong password"), identity.InvalidCredentials)
	}
	require.ErrorIs(t, logIn(home, Password), identity.Throttled, "a familiar address has its limit, too")
}

func rotation(t *testing.T, svc identity.Service) {
	s := MustLogIn(t, svc, MustRegister(t, svc))
	seen := map[string]bool{s.RefreshToken: true}
	for range 3 {
		next := MustRefresh(t, svc, s)
		require.Equal(t, s.UserID, next.UserID)
		require.False(t, seen[next.RefreshToken])
		seen[next.RefreshToken] = true
		s = next
	}
	for _, token := range []string{"", "no token of ours", s.RefreshToken + "x"} {
		_, err := svc.Refresh(context.Background(), identity.RefreshRequest{RefreshToken: token})
		require.ErrorIs(t, err, identity.InvalidRefresh)
	}
	MustRefresh(t, svc, s) // guesses end nobody's session
}

func reuse(t *testing.T, svc identity.Service) {
	u := MustRegister(t, svc)
	first, other := MustLogIn(t, svc, u), MustLogIn(t, svc, u)
	second := MustRefresh(t, svc, first)
	third := MustRefresh(t, svc, second)
	_, err := refresh(svc, first)
	require.ErrorIs(t, err, identity.InvalidRefresh)
	_, err = refresh(svc, third)
	require.ErrorIs(t, err, identity.InvalidRefresh, "the whole family is revoked")
	MustRefresh(t, svc, other) // another log-in is another family
}

func concurrentReuse(t *testing.T, svc identity.Service) {
	s := MustLogIn(t, svc, MustRegister(t, svc))
	const callers = 8
	sessions := make([]identity.Session, callers)
	errs := atTheSameTime(callers, func(i int) (err error) {
		sessions[i], err = refresh(svc, s)
		return err
	})
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			_, err := refresh(svc, sessions[i])
			require.ErrorIs(t, err, identity.InvalidRefresh, "the others count as reuse")
			continue
		}
		require.ErrorIs(t, err, identity.InvalidRefresh)
	}
	require.Equal(t, 1, won)
}

func logOut(t *testing.T, svc identity.Service) {
	u := MustRegister(t, svc)
	s, other := MustLogIn(t, svc, u), MustLogIn(t, svc, u)
	_, c := MustRead(t, s.AccessToken)
	stranger := MustRegister(t, svc)
	req := identity.LogOutRequest{UserID: u.ID, SessionID: c.Session}

	_, err := svc.LogOut(As(stranger), req)
	require.ErrorIs(t, err, identity.UserNotFound)
	_, err = svc.LogOut(As(stranger), identity.LogOutRequest{UserID: stranger.ID, SessionID: c.Session})
	require.NoError(t, err, "there is no such session of theirs to end")
	s = MustRefresh(t, svc, s)

	for range 2 {
		_, err = svc.LogOut(As(u), req)
		require.NoError(t, err)
		_, err = refresh(svc, s)
		require.ErrorIs(t, err, identity.InvalidRefresh)
	}
	MustRefresh(t, svc, other)
}

func logOutAll(t *testing.T, svc identity.Service) {
	u, stranger := MustRegister(t, svc), MustRegister(t, svc)
	for range 2 { // the second time too, although the request is the same
		a, b, theirs := MustLogIn(t, svc, u), MustLogIn(t, svc, u), MustLogIn(t, svc, stranger)
		_, err := svc.LogOut(As(u), identity.LogOutRequest{UserID: u.ID})
		require.NoError(t, err)
		for _, s := range []identity.Session{a, b} {
			_, err = refresh(svc, s)
			require.ErrorIs(t, err, identity.InvalidRefresh)
		}
		MustRefresh(t, svc, theirs)
	}
	_, err := svc.LogOut(Shop(), identity.LogOutRequest{})
	require.ErrorIs(t, err, identity.UserNotFound)
	_, err = svc.LogOut(context.Background(), identity.LogOutRequest{UserID: u.ID})
	require.ErrorIs(t, err, identity.UserNotFound)
}

func roles(t *testing.T, svc identity.Service) {
	customer, staff, admin := MustRegister(t, svc), MustGrant(t, svc, port.RoleStaff), MustGrant(t, svc, port.RoleAdmin)
	req := identity.GrantRolesRequest{Email: strings.ToUpper(customer.Email), Roles: []string{port.RoleStaff}}
	for _, ctx := range []context.Context{context.Background(), As(customer), As(staff)} {
		_, err := svc.GrantRoles(ctx, req)
		require.ErrorIs(t, err, fault.Forbidden)
	}
	s := MustLogIn(t, svc, customer)
	for again := range 2 {
		u, err := svc.GrantRoles(As(admin), req)
		require.NoError(t, err)
		require.Equal(t, again == 0, slices.Equal(u.NewRoles, []string{port.RoleStaff}), "only what was not there before is new")
		require.False(t, u.PasswordChanged || u.PasswordKept)
		require.Equal(t, customer.ID, u.ID)
		require.Equal(t, []string{port.RoleCustomer, port.RoleStaff}, u.Roles)
	}
	_, c := MustRead(t, MustRefresh(t, svc, s).AccessToken)
	require.Equal(t, []string{port.RoleCustomer, port.RoleStaff}, c.Roles)

	for name, bad := range map[string]identity.GrantRolesRequest{
		"no role":      {Email: Email(), Password: Password, Name: "x"},
		"unknown role": {Email: Email(), Password: Password, Name: "x", Roles: []string{"king"}},
		"system":       {Email: Email(), Password: Password, Name: "x", Roles: []string{port.RoleSystem}},
		"no password":  {Email: Email(), Name: "x", Roles: []string{port.RoleStaff}},
		"weak":         {Email: customer.Email, Password: "weak", Roles: []string{port.RoleStaff}},
	} {
		_, err := svc.GrantRoles(Shop(), bad)
		require.ErrorIs(t, err, identity.InvalidUser, name)
	}

	email := Email()
	ids := make([]string, 3)
	for _, err := range atTheSameTime(3, func(i int) error { // as several instances do when they start
		u, err := svc.GrantRoles(Shop(), identity.GrantRolesRequest{Email: email, Password: Password, Roles: []string{port.RoleAdmin}})
		ids[i] = u.ID
		return err
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, []string{ids[0], ids[0], ids[0]}, ids)
}

func newPassword(t *testing.T, svc identity.Service) {
	u := MustRegister(t, svc)
	s := MustLogIn(t, svc, u)
	grant := func(password string, keep bool) identity.Granted {
		g, err := svc.GrantRoles(Shop(), identity.GrantRolesRequest{Email: u.Email, Password: password, Roles: []string{port.RoleCustomer}, KeepPassword: keep})
		require.NoError(t, err)
		require.Empty(t, g.NewRoles)
		return g
	}
	for _, keep := range []bool{false, true} {
		g := grant(Password, keep)
		require.False(t, g.PasswordChanged || g.PasswordKept)
	}
	require.True(t, grant("another good password", true).PasswordKept)
	s = MustRefresh(t, svc, s) // nothing has changed
	require.True(t, grant("another good password", false).PasswordChanged)
	_, err := refresh(svc, s)
	require.ErrorIs(t, err, identity.InvalidRefresh)
	_, err = svc.LogIn(context.Background(), identity.LogInRequest{Email: u.Email, Password: Password})
	require.ErrorIs(t, err, identity.InvalidCredentials)
	_, err = svc.LogIn(context.Background(), identity.LogInRequest{Email: u.Email, Password: "another good password"})
	require.NoError(t, err)
}

func whoseUser(t *testing.T, svc identity.Service) {
	u, stranger, staff := MustRegister(t, svc), MustRegister(t, svc), MustGrant(t, svc, port.RoleStaff)
	for _, ctx := range []context.Context{As(u), As(staff), Shop()} {
		got, err := svc.Get(ctx, identity.GetRequest{UserID: u.ID})
		require.NoError(t, err)
		require.Equal(t, u.Email, got.Email)
	}
	for _, ctx := range []context.Context{As(stranger), context.Background()} {
		_, err := svc.Get(ctx, identity.GetRequest{UserID: u.ID})
		require.ErrorIs(t, err, identity.UserNotFound)
	}
	_, err := svc.Get(Shop(), identity.GetRequest{UserID: id.V7()})
	require.ErrorIs(t, err, identity.UserNotFound)
}

func onlyPublicParts(t *testing.T, svc identity.Service) {
	set, err := svc.KeySet(context.Background(), identity.KeySetRequest{})
	require.NoError(t, err)
	var jwks struct {
		Keys []map[string]any `json:"keys"`
	}
	require.NoError(t, json.Unmarshal([]byte(set.JWKS), &jwks))
	require.NotEmpty(t, jwks.Keys)
	for _, key := range jwks.Keys {
		require.NotContains(t, key, "d")
		require.NotEmpty(t, key["kid"])
		delete(key, "x")
		delete(key, "kid")
		require.Equal(t, map[string]any{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig"}, key)
	}
}
