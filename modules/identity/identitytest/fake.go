// Package identitytest has what neighbours of identity use in their tests: a
// Fake, and the conformance suite that every implementation passes.
package identitytest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/identity"
)

// FakeIssuer is the iss of a Fake's access tokens.
const FakeIssuer = "http://identity.test"

// Fake is identity in memory. Safe for concurrent use. Passwords are compared as
// they are, refresh tokens never expire, the window of failures never ends, and
// there is one key. Its access tokens are real.
type Fake struct {
	Now clock.Clock

	mu       sync.Mutex
	key      ed25519.PrivateKey
	users    map[string]*fakeUser // by e-mail
	tokens   map[string]*fakeToken
	failures map[string]int // by e-mail, by address, and by both
	familiar map[string]bool
}

type fakeUser struct {
	identity.User
	password string
}

type fakeToken struct {
	user    *fakeUser
	session *fakeSession
	used    bool
}

type fakeSession struct {
	id      string
	revoked bool
}

var _ identity.Service = (*Fake)(nil)

// NewFake makes an identity without users.
func NewFake() *Fake {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil { // never
		panic(err)
	}
	return &Fake{
		Now: clock.System, key: key, users: map[string]*fakeUser{}, tokens: map[string]*fakeToken{}, failures: map[string]int{}, familiar: map[string]bool{},
	}
}

func normal(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func plausible(email, password, name string) error {
	n := utf8.RuneCountInString(name)
	if at := strings.Index(email, "@"); at < 1 || at == len(email)-1 || utf8.RuneCountInString(password) < 12 || len(password) > 1024 || n < 1 || n > 200 {
		return identity.InvalidUser.Errorf("the user is not valid")
	}
	return nil
}

// Register implements identity.Service.
func (f *Fake) Register(_ context.Context, req identity.RegisterRequest) (identity.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.add(req, []string{port.RoleCustomer})
}

func (f *Fake) add(req identity.RegisterRequest, roles []string) (identity.User, error) {
	email, name := normal(req.Email), strings.TrimSpace(req.Name)
	if err := plausible(email, req.Password, name); err != nil {
		return identity.User{}, err
	}
	if f.users[email] != nil {
		return identity.User{}, identity.EmailTaken.Errorf("there is a user with this e-mail already")
	}
	u := &fakeUser{User: identity.User{ID: id.V7(), Email: email, Name: name, Roles: roles, CreatedAt: f.Now()}, password: req.Password}
	f.users[email] = u
	return u.copied(), nil
}

func (u *fakeUser) copied() identity.User {
	c := u.User
	c.Roles = slices.Clone(c.Roles)
	return c
}

// GrantRoles implements identity.Service.
func (f *Fake) GrantRoles(ctx context.Context, req identity.GrantRolesRequest) (identity.Granted, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleAdmin) {
		return identity.Granted{}, fault.Forbidden.Errorf("roles are given by an admin")
	}
	known := []string{port.RoleCustomer, port.RoleStaff, port.RoleAdmin}
	if len(req.Roles) == 0 || slices.ContainsFunc(req.Roles, func(r string) bool { return !slices.Contains(known, r) }) {
		return identity.Granted{}, identity.InvalidUser.Errorf("the roles are not valid")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.users[normal(req.Email)]
	if u == nil {
		if req.Name == "" {
			req.Name, _, _ = strings.Cut(normal(req.Email), "@")
		}
		roles := slices.Compact(slices.Sorted(slices.Values(req.Roles)))
		added, err := f.add(identity.RegisterRequest{Email: req.Email, Password: req.Password, Name: req.Name}, roles)
		return identity.Granted{User: added}, err
	}
	var granted identity.Granted
	if req.Password != "" && req.Password != u.password {
		if err := plausible(u.Email, req.Password, u.Name); err != nil {
			return identity.Granted{}, err
		}
		if granted.PasswordKept = req.KeepPassword; !req.KeepPassword {
			granted.PasswordChanged = true
			u.password = req.Password
			f.revoke(u.ID, "")
		}
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(req.Roles)))
	granted.NewRoles = slices.DeleteFunc(wanted, func(r string) bool { return slices.Contains(u.Roles, r) })
	u.Roles = slices.Sorted(slices.Values(append(u.Roles, granted.NewRoles...)))
	granted.User = u.copied()
	return granted, nil
}

// LogIn implements identity.Service.
func (f *Fake) LogIn(_ context.Context, req identity.LogInRequest) (identity.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	email, addr := normal(req.Email), "address "+req.ClientAddr
	place, account := email+" at "+req.ClientAddr, email
	if f.familiar[place] {
		account = place
	}
	if f.failures[account] >= 10 || f.failures[addr] >= 100 {
		return identity.Session{}, identity.Throttled.Errorf("too many failed log-ins").WithDetail("retry_after", "900")
	}
	u := f.users[email]
	if u == nil || u.password != req.Password {
		f.failures[account]++
		if req.ClientAddr != "" {
			f.failures[addr]++
		}
		return identity.Session{}, identity.InvalidCredentials.Errorf("the e-mail or the password is not right")
	}
	delete(f.failures, account)
	if req.ClientAddr != "" {
		f.familiar[place] = true
	}
	return f.issue(u, &fakeSession{id: id.V7()})
}

// Refresh implements identity.Service.
func (f *Fake) Refresh(_ context.Context, req identity.RefreshRequest) (identity.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tokens[req.RefreshToken]
	if t != nil && t.used {
		t.session.revoked = true
	}
	if t == nil || t.session.revoked {
		return identity.Session{}, identity.InvalidRefresh.Errorf("the refresh token is not good")
	}
	t.used = true
	return f.issue(t.user, t.session)
}

// LogOut implements identity.Service.
func (f *Fake) LogOut(ctx context.Context, req identity.LogOutRequest) (identity.LogOutReply, error) {
	if req.UserID == "" || !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return identity.LogOutReply{}, identity.UserNotFound.Errorf("there is no such user")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoke(req.UserID, req.SessionID)
	return identity.LogOutReply{}, nil
}

func (f *Fake) revoke(userID, sessionID string) {
	for _, t := range f.tokens {
		if t.user.ID == userID && (sessionID == "" || t.session.id == sessionID) {
			t.session.revoked = true
		}
	}
}

// Get implements identity.Service.
func (f *Fake) Get(ctx context.Context, req identity.GetRequest) (identity.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.users {
		if u.ID == req.UserID && port.PrincipalFrom(ctx).MayActFor(u.ID) {
			return u.copied(), nil
		}
	}
	return identity.User{}, identity.UserNotFound.Errorf("there is no such user")
}

// KeySet implements identity.Service.
func (f *Fake) KeySet(context.Context, identity.KeySetRequest) (identity.KeySet, error) {
	public, _ := f.key.Public().(ed25519.PublicKey)
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "fake", "x": base64.RawURLEncoding.EncodeToString(public),
	}}})
	return identity.KeySet{JWKS: string(set)}, err
}

func (f *Fake) issue(u *fakeUser, s *fakeSession) (identity.Session, error) {
	now := f.Now()
	header, err := json.Marshal(map[string]string{"alg": "EdDSA", "typ": "at+jwt", "kid": "fake"})
	if err != nil {
		return identity.Session{}, err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": FakeIssuer, "aud": []string{"banyan"}, "sub": u.ID, "jti": id.V7(), "sid": s.id, "roles": u.Roles,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(15 * time.Minute).Unix(),
	})
	if err != nil {
		return identity.Session{}, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	signed := b64(header) + "." + b64(claims)
	refresh := "fake-" + rand.Text()
	f.tokens[refresh] = &fakeToken{user: u, session: s}
	return identity.Session{
		UserID: u.ID, AccessToken: signed + "." + b64(ed25519.Sign(f.key, []byte(signed))), RefreshToken: refresh, ExpiresIn: 900,
	}, nil
}
