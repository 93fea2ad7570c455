package identityhttp

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/identity"
)

// mergeLimit bounds how long a slow cart can hold up a log-in.
const mergeLimit = 2 * time.Second

type logInInput struct {
	CartToken string    `header:"X-Cart-Token" maxLength:"200" doc:"A guest's cart, to be merged into the user's."`
	Body      logInBody `body:""`
}

type logInBody struct {
	Email    string `json:"email" minLength:"1" maxLength:"254" example:"anna@example.com"`
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}

type sessionBody struct {
	AccessToken  string `json:"access_token" doc:"A JWT for the header Authorization: Bearer."`
	RefreshToken string `json:"refresh_token" doc:"Good once. Using it again ends the session."`
	TokenType    string `json:"token_type" enum:"Bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"Seconds that the access token lives."`
}

func (d Deps) logIn(ctx context.Context, in logInInput) (web.Reply[sessionBody], error) {
	s, err := d.Identity.LogIn(ctx, identity.LogInRequest{
		Email: in.Body.Email, Password: in.Body.Password, ClientAddr: web.ClientIP(ctx),
	})
	if err != nil {
		return web.Reply[sessionBody]{}, err
	}
	if in.CartToken != "" {
		d.merge(ctx, s.UserID, in.CartToken)
	}
	return opened(s), nil
}

// merge gives the guest's cart to the user who has just logged in. A log-in does
// not fail because of a cart: the token stays good, and the next log-in merges it.
func (d Deps) merge(ctx context.Context, userID, guestToken string) {
	ctx, cancel := context.WithTimeout(ctx, mergeLimit)
	defer cancel()
	ctx = port.WithPrincipal(ctx, port.Principal{Subject: userID, Roles: []string{port.RoleCustomer}})
	if _, err := d.Cart.Merge(ctx, cart.MergeRequest{UserID: userID, GuestToken: guestToken}); err != nil {
		d.Log.WarnContext(ctx, "a guest's cart was not merged at log-in", "user", userID, "error", err)
	}
}

type refreshInput struct {
	Body refreshBody `body:""`
}

type refreshBody struct {
	RefreshToken string `json:"refresh_token" minLength:"1" maxLength:"200"`
}

func (d Deps) refresh(ctx context.Context, in refreshInput) (web.Reply[sessionBody], error) {
	s, err := d.Identity.Refresh(ctx, identity.RefreshRequest{RefreshToken: in.Body.RefreshToken})
	if err != nil {
		return web.Reply[sessionBody]{}, err
	}
	return opened(s), nil
}

func opened(s identity.Session) web.Reply[sessionBody] {
	return web.Created("", sessionBody{
		AccessToken: s.AccessToken, RefreshToken: s.RefreshToken, TokenType: "Bearer", ExpiresIn: s.ExpiresIn,
	})
}

// logOut ends the session of the access token, or, where the token names none,
// every session of its user.
func (d Deps) logOut(ctx context.Context, _ struct{}) (web.Reply[web.Nothing], error) {
	p := port.PrincipalFrom(ctx)
	_, err := d.Identity.LogOut(ctx, identity.LogOutRequest{UserID: p.Subject, SessionID: p.Session})
	return web.NoContent(), err
}
