package inventory

import (
	"context"

	"github.com/banyan-tree/banyan/internal/port"
)

func byOrder(r ReservationRequest) string { return r.OrderID }

var (
	setOnHand = port.Command[SetOnHandRequest, SetOnHandReply]("inventory.set_on_hand")
	levels    = port.Query[LevelsRequest, LevelsReply]("inventory.levels")
	hold      = port.Command[HoldRequest, Reservation]("inventory.hold", port.Key(func(r HoldRequest) string { return r.OrderID }))
	commit    = port.Command[ReservationRequest, Reservation]("inventory.commit", port.Key(byOrder))
	release   = port.Command[ReservationRequest, Reservation]("inventory.release", port.Key(byOrder))
	get       = port.Query[ReservationRequest, Reservation]("inventory.get")
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) SetOnHand(ctx context.Context, r SetOnHandRequest) (SetOnHandReply, error) {
	return setOnHand.Call(ctx, c.conn, r)
}
func (c client) Levels(ctx context.Context, r LevelsRequest) (LevelsReply, error) {
	return levels.Call(ctx, c.conn, r)
}
func (c client) Hold(ctx context.Context, r HoldRequest) (Reservation, error) {
	return hold.Call(ctx, c.conn, r)
}
func (c client) Commit(ctx context.Context, r ReservationRequest) (Reservation, error) {
	return commit.Call(ctx, c.conn, r)
}
func (c client) Release(ctx context.Context, r ReservationRequest) (Reservation, error) {
	return release.Call(ctx, c.conn, r)
}
func (c client) Get(ctx context.Context, r ReservationRequest) (Reservation, error) {
	return get.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	setOnHand.Handle(s, svc.SetOnHand)
	levels.Handle(s, svc.Levels)
	hold.Handle(s, svc.Hold)
	commit.Handle(s, svc.Commit)
	release.Handle(s, svc.Release)
	get.Handle(s, svc.Get)
}
