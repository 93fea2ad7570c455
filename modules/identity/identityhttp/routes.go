// Package identityhttp is identity's HTTP API, written against contracts only.
package identityhttp

import (
	"log/slog"
	"net/http"

	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/identity"
)

// Deps is what the handlers call.
type Deps struct {
	Identity identity.Service
	Cart     cart.Service
	Log      *slog.Logger // told of a cart that could not be merged; may be nil
}

// Register adds the routes.
func Register(r *web.Router, d Deps) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	created := []int{http.StatusCreated}
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/users", Access: web.Public, Statuses: created,
		Summary: "Register as a customer",
		Codes:   []string{identity.EmailTaken.Name(), identity.InvalidUser.Name()},
		Example: `{"email": "anna@example.com", "password": "correct horse battery", "name": "Anna"}`,
	}, d.register)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/users/me", Access: web.User,
		Summary: "Your own profile",
		Codes:   []string{identity.UserNotFound.Name()},
	}, d.me)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/sessions", Access: web.Public, Statuses: created,
		Summary: "Log in; the cart of X-Cart-Token becomes yours",
		Codes:   []string{identity.InvalidCredentials.Name(), identity.Throttled.Name()},
		Example: `{"email": "anna@example.com", "password": "correct horse battery"}`,
	}, d.logIn)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/sessions/refresh", Access: web.Public, Statuses: created,
		Summary: "Exchange a refresh token, which is good once, for a new pair of tokens",
		Codes:   []string{identity.InvalidRefresh.Name()},
	}, d.refresh)
	web.Handle(r, web.Route{
		Method: http.MethodDelete, Path: "/sessions/current", Access: web.User,
		Summary: "Log out",
	}, d.logOut)
}
