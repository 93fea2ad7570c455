package identity

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	register   = port.Command[RegisterRequest, User]("identity.register")
	grantRoles = port.Command[GrantRolesRequest, Granted]("identity.grant_roles")
	logIn      = port.Command[LogInRequest, Session]("identity.log_in", port.Deadline(10*time.Second))
	refresh    = port.Command[RefreshRequest, Session]("identity.refresh")
	logOut     = port.Command[LogOutRequest, LogOutReply]("identity.log_out", port.Key(func(r LogOutRequest) string { return r.UserID + "/" + r.SessionID }))
	get        = port.Query[GetRequest, User]("identity.get")
	keySet     = port.Query[KeySetRequest, KeySet]("identity.key_set")
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Register(ctx context.Context, r RegisterRequest) (User, error) {
	return register.Call(ctx, c.conn, r)
}
func (c client) GrantRoles(ctx context.Context, r GrantRolesRequest) (Granted, error) {
	return grantRoles.Call(ctx, c.conn, r)
}
func (c client) LogIn(ctx context.Context, r LogInRequest) (Session, error) {
	return logIn.Call(ctx, c.conn, r)
}
func (c client) Refresh(ctx context.Context, r RefreshRequest) (Session, error) {
	return refresh.Call(ctx, c.conn, r)
}
func (c client) LogOut(ctx context.Context, r LogOutRequest) (LogOutReply, error) {
	return logOut.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r GetRequest) (User, error) { return get.Call(ctx, c.conn, r) }
func (c client) KeySet(ctx context.Context, r KeySetRequest) (KeySet, error) {
	return keySet.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	register.Handle(s, svc.Register)
	grantRoles.Handle(s, svc.GrantRoles)
	logIn.Handle(s, svc.LogIn)
	refresh.Handle(s, svc.Refresh)
	logOut.Handle(s, svc.LogOut)
	get.Handle(s, svc.Get)
	keySet.Handle(s, svc.KeySet)
}
