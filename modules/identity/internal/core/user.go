package core

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/identity"
)

const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes: hashing must not be made slow by its input
	maxName     = 200  // characters
	maxEmail    = 254  // bytes, RFC 5321
)

// roles that can be given to a user. The shop's own role is none of them.
var roles = []string{port.RoleCustomer, port.RoleStaff, port.RoleAdmin}

// User is a user with what proves it.
type User struct {
	identity.User
	PasswordHash string
}

// Users is the store of users.
type Users interface {
	// AddUser adds the user with its roles. It tells false where the e-mail is taken.
	AddUser(ctx context.Context, u User) (bool, error)
	UserByEmail(ctx context.Context, email string) (User, bool, error)
	User(ctx context.Context, id string) (User, bool, error)
	// AddRoles gives roles; those that the user has already are no error.
	AddRoles(ctx context.Context, userID string, roles []string) error
	SetPassword(ctx context.Context, userID, hash string, at time.Time) error
	// ConfirmPassword tells whether this is still the user's hash, and keeps it
	// from changing until the transaction ends.
	ConfirmPassword(ctx context.Context, userID, hash string) (bool, error)
}

// Register implements identity.Service.
func (s *Service) Register(ctx context.Context, req identity.RegisterRequest) (identity.User, error) {
	u := identity.User{Email: normalEmail(req.Email), Name: strings.TrimSpace(req.Name), Roles: []string{port.RoleCustomer}}
	bad := invalidUser()
	checkEmail(bad, u.Email)
	checkName(bad, u.Name)
	checkPassword(bad, req.Password)
	if len(bad.Fields) > 0 {
		return identity.User{}, bad
	}
	// Hashing is dear, so a taken e-mail is looked for first.
	if _, taken, err := s.store.UserByEmail(ctx, u.Email); err != nil {
		return identity.User{}, fmt.Errorf("look for the e-mail: %w", err)
	} else if taken {
		return identity.User{}, emailTaken()
	}
	u, isNew, err := s.addUser(ctx, u, req.Password)
	if err == nil && !isNew {
		err = emailTaken()
	}
	return u, err
}

// addUser makes the user and says so to the others. It tells false where the
// e-mail was taken meanwhile.
func (s *Service) addUser(ctx context.Context, u identity.User, password string) (_ identity.User, isNew bool, err error) {
	hash, err := s.passwords.Hash(ctx, password)
	if err != nil {
		return identity.User{}, false, fmt.Errorf("hash the password: %w", err)
	}
	u.ID, u.CreatedAt = s.newID(), s.now()
	err = s.store.Atomic(ctx, func(ctx context.Context) (err error) {
		isNew, err = s.store.AddUser(ctx, User{User: u, PasswordHash: hash})
		if err != nil || !isNew {
			return err
		}
		return s.events.Publish(ctx, identity.Registered.New(u.ID, 1, identity.UserRegistered{
			UserID: u.ID, Email: u.Email, Name: u.Name, Roles: u.Roles,
		}))
	})
	if err != nil || !isNew {
		return identity.User{}, false, err
	}
	return u, true, nil
}

// GrantRoles implements identity.Service. A new user without a name is called
// after the e-mail. A password that differs from the present one ends every session.
func (s *Service) GrantRoles(ctx context.Context, req identity.GrantRolesRequest) (identity.Granted, error) {
	if !port.PrincipalFrom(ctx).Has(port.RoleAdmin) {
		return identity.Granted{}, fault.Forbidden.Errorf("roles are given by an admin")
	}
	req.Email, req.Name = normalEmail(req.Email), strings.TrimSpace(req.Name)
	req.Roles = slices.Compact(slices.Sorted(slices.Values(req.Roles)))
	bad := invalidUser()
	checkEmail(bad, req.Email)
	if req.Name != "" {
		checkName(bad, req.Name)
	}
	if req.Password != "" {
		checkPassword(bad, req.Password)
	}
	checkRoles(bad, req.Roles)
	if len(bad.Fields) > 0 {
		return identity.Granted{}, bad
	}
	for {
		known, ok, err := s.store.UserByEmail(ctx, req.Email)
		if err != nil {
			return identity.Granted{}, fmt.Errorf("look for the user: %w", err)
		}
		if ok {
			return s.grant(ctx, known, req)
		}
		if req.Password == "" {
			return identity.Granted{}, invalidUser().WithField("/password", "a new user needs a password")
		}
		u := identity.User{Email: req.Email, Name: req.Name, Roles: req.Roles}
		if u.Name == "" {
			u.Name, _, _ = strings.Cut(u.Email, "@")
		}
		u, isNew, err := s.addUser(ctx, u, req.Password)
		if err != nil || isNew {
			return identity.Granted{User: u}, err
		} // somebody else made the user meanwhile: it is there now
	}
}

// grant changes a user that is there, where there is something to change.
func (s *Service) grant(ctx context.Context, u User, req identity.GrantRolesRequest) (identity.Granted, error) {
	granted := identity.Granted{User: u.User}
	hash := ""
	if req.Password != "" {
		same, err := s.passwords.Verify(ctx, req.Password, u.PasswordHash, func() error { return nil })
		if err == nil && !same {
			if granted.PasswordKept = req.KeepPassword; !req.KeepPassword {
				granted.PasswordChanged = true
				hash, err = s.passwords.Hash(ctx, req.Password)
			}
		}
		if err != nil {
			return identity.Granted{}, fmt.Errorf("hash the password: %w", err)
		}
	}
	lacks := slices.DeleteFunc(slices.Clone(req.Roles), func(role string) bool { return slices.Contains(u.Roles, role) })
	if hash == "" && len(lacks) == 0 {
		return granted, nil
	}
	err := s.store.Atomic(ctx, func(ctx context.Context) error {
		if hash != "" {
			if err := s.store.SetPassword(ctx, u.ID, hash, s.now()); err != nil {
				return fmt.Errorf("set the password: %w", err)
			}
			if _, err := s.store.Revoke(ctx, Family{UserID: u.ID}, PasswordChanged, s.now()); err != nil {
				return fmt.Errorf("end the sessions: %w", err)
			}
		}
		if len(lacks) > 0 {
			if err := s.store.AddRoles(ctx, u.ID, lacks); err != nil {
				return fmt.Errorf("add roles: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return identity.Granted{}, err
	}
	granted.NewRoles = lacks
	granted.Roles = slices.Sorted(slices.Values(append(slices.Clone(u.Roles), lacks...)))
	return granted, nil
}

// Get implements identity.Service.
func (s *Service) Get(ctx context.Context, req identity.GetRequest) (identity.User, error) {
	if !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return identity.User{}, userNotFound()
	}
	u, ok, err := s.store.User(ctx, req.UserID)
	if err != nil {
		return identity.User{}, fmt.Errorf("read the user: %w", err)
	}
	if !ok {
		return identity.User{}, userNotFound()
	}
	return u.User, nil
}

func userNotFound() error { return identity.UserNotFound.Errorf("there is no such user") }

func emailTaken() error {
	return identity.EmailTaken.Errorf("there is a user with this e-mail already: log in instead")
}

func invalidUser() *fault.Error { return identity.InvalidUser.Errorf("the user is not valid") }

// normalEmail is the form in which e-mails are compared.
func normalEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func validEmail(s string) bool {
	if len(s) > maxEmail || !plain(s) {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func checkEmail(bad *fault.Error, s string) {
	if !validEmail(s) {
		bad.WithField("/email", "an e-mail address such as anna@example.com")
	}
}

func checkName(bad *fault.Error, s string) {
	if n := utf8.RuneCountInString(s); n < 1 || n > maxName || !plain(s) {
		bad.WithField("/name", fmt.Sprintf("1 to %d characters, none of them a control character", maxName))
	}
}

func checkPassword(bad *fault.Error, s string) {
	switch {
	case utf8.RuneCountInString(s) < minPassword:
		bad.WithField("/password", fmt.Sprintf("at least %d characters", minPassword))
	case len(s) > maxPassword:
		bad.WithField("/password", fmt.Sprintf("at most %d bytes", maxPassword))
	}
}

func checkRoles(bad *fault.Error, given []string) {
	if len(given) == 0 {
		bad.WithField("/roles", "at least one")
	}
	for _, role := range given {
		if !slices.Contains(roles, role) {
			bad.WithField("/roles", "each one of "+strings.Join(roles, ", "))
		}
	}
}

// plain tells whether every database can keep the text and every terminal show it.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
