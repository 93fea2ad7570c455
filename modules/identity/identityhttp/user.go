package identityhttp

import (
	"context"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/identity"
)

type registerInput struct {
	Body registerBody `body:""`
}

// Limits are in characters here; identity itself trims and checks the rest.
type registerBody struct {
	Email    string `json:"email" minLength:"3" maxLength:"254" example:"anna@example.com"`
	Password string `json:"password" minLength:"12" maxLength:"1024"`
	Name     string `json:"name" minLength:"1" maxLength:"200" example:"Anna"`
}

type userBody struct {
	ID    string   `json:"id"`
	Email string   `json:"email" doc:"In lower case."`
	Name  string   `json:"name"`
	Roles []string `json:"roles" doc:"Of customer, staff, admin."`
}

func (d Deps) register(ctx context.Context, in registerInput) (web.Reply[userBody], error) {
	u, err := d.Identity.Register(ctx, identity.RegisterRequest{
		Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name,
	})
	return web.Created("", bodyOf(u)), err
}

func (d Deps) me(ctx context.Context, _ struct{}) (web.Reply[userBody], error) {
	u, err := d.Identity.Get(ctx, identity.GetRequest{UserID: port.PrincipalFrom(ctx).Subject})
	return web.OK(bodyOf(u)), err
}

func bodyOf(u identity.User) userBody {
	return userBody{ID: u.ID, Email: u.Email, Name: u.Name, Roles: u.Roles}
}
