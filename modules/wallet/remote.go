package wallet

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/port"
)

var (
	balance   = port.Query[BalanceRequest, Balance]("wallet.balance")
	events    = port.Query[EventsRequest, EventList]("wallet.events")
	statement = port.Query[StatementRequest, Statement]("wallet.statement")
	deposit   = port.Command[DepositRequest, Deposit]("wallet.deposit", port.Deadline(15*time.Second), port.Waits(func(DepositRequest) bool { return true }))
	withdraw  = port.Command[WithdrawRequest, Withdrawal]("wallet.withdraw")
	hold      = port.Command[HoldRequest, Hold]("wallet.hold", port.Key(func(r HoldRequest) string { return r.OrderID }))
	release   = port.Command[ReleaseRequest, ReleaseReply]("wallet.release", port.Key(func(r ReleaseRequest) string { return r.OrderID }))
	ofOrder   = port.Query[OrderRequest, Hold]("wallet.by_order")
)

type client struct{ conn *port.Conn }

var _ Service = client{}

// NewClient gives the service as it is reached over conn.
func NewClient(conn *port.Conn) Service { return client{conn} }

func (c client) Balance(ctx context.Context, r BalanceRequest) (Balance, error) {
	return balance.Call(ctx, c.conn, r)
}
func (c client) Events(ctx context.Context, r EventsRequest) (EventList, error) {
	return events.Call(ctx, c.conn, r)
}
func (c client) Statement(ctx context.Context, r StatementRequest) (Statement, error) {
	return statement.Call(ctx, c.conn, r)
}
func (c client) Deposit(ctx context.Context, r DepositRequest) (Deposit, error) {
	return deposit.Call(ctx, c.conn, r)
}
func (c client) Withdraw(ctx context.Context, r WithdrawRequest) (Withdrawal, error) {
	return withdraw.Call(ctx, c.conn, r)
}
func (c client) Hold(ctx context.Context, r HoldRequest) (Hold, error) {
	return hold.Call(ctx, c.conn, r)
}
func (c client) Release(ctx context.Context, r ReleaseRequest) (ReleaseReply, error) {
	return release.Call(ctx, c.conn, r)
}
func (c client) ByOrder(ctx context.Context, r OrderRequest) (Hold, error) {
	return ofOrder.Call(ctx, c.conn, r)
}

// Serve answers the contract's methods on s with svc.
func Serve(s *port.Server, svc Service) {
	balance.Handle(s, svc.Balance)
	events.Handle(s, svc.Events)
	statement.Handle(s, svc.Statement)
	deposit.Handle(s, svc.Deposit)
	withdraw.Handle(s, svc.Withdraw)
	hold.Handle(s, svc.Hold)
	release.Handle(s, svc.Release)
	ofOrder.Handle(s, svc.ByOrder)
}
