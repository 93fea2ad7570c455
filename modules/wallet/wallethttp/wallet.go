// Package wallethttp gives wallets their place in the HTTP API. It is written
// against the contract only, and stays where it is when the module moves out.
package wallethttp

import (
	"context"
	"net/http"
	"time"

	"github.com/banyan-tree/banyan/internal/cursor"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Deps are what the routes call.
type Deps struct {
	Wallet wallet.Service
}

// Register adds the routes to r. Each speaks of the caller's own wallet.
func Register(r *web.Router, d Deps) {
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/wallet", Access: web.User,
		Summary: "One's wallet as it is, or as it was at an instant.",
	}, d.balance)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/wallet/events", Access: web.User,
		Summary: "Everything that ever happened to one's wallet, oldest first.",
		Codes:   []string{wallet.InvalidRequest.Name()},
	}, d.events)
	web.Handle(r, web.Route{
		Method: http.MethodGet, Path: "/wallet/statement", Access: web.User,
		Summary: "What moved in one's wallet in a period, with the balance at both ends.",
		Codes:   []string{wallet.InvalidRequest.Name()},
	}, d.statement)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/wallet/deposits", Access: web.User, Idempotent: true, Statuses: []int{http.StatusCreated},
		Summary: "Charge a card and credit the wallet.",
		Codes:   []string{wallet.CardDeclined.Name(), wallet.CardUnavailable.Name(), wallet.LimitExceeded.Name(), wallet.InvalidRequest.Name()},
		Example: `{"amount": {"amount": 20000, "currency": "USD"}, "token": "tok_visa"}`,
	}, d.deposit)
	web.Handle(r, web.Route{
		Method: http.MethodPost, Path: "/wallet/withdrawals", Access: web.User, Idempotent: true, Statuses: []int{http.StatusCreated},
		Summary: "Take out what is available.",
		Codes:   []string{wallet.InsufficientFunds.Name(), wallet.InvalidRequest.Name()},
		Example: `{"amount": {"amount": 500, "currency": "USD"}}`,
	}, d.withdraw)
}

func own(ctx context.Context) string { return port.PrincipalFrom(ctx).Subject }

type balanceInput struct {
	At *time.Time `query:"at" doc:"An instant; before the first event there is nothing, and one to come is as now."`
}

func (d Deps) balance(ctx context.Context, in balanceInput) (web.Reply[wallet.Balance], error) {
	req := wallet.BalanceRequest{UserID: own(ctx)}
	if in.At != nil {
		if req.At = *in.At; req.At.IsZero() {
			req.At = time.Unix(0, 0) // the zero time is no instant in the contract, and means now
		}
	}
	b, err := d.Wallet.Balance(ctx, req)
	return web.OK(b), err
}

// position is where a list goes on: after this version.
type position struct {
	Version int64 `json:"version"`
}

func after(text string) (int64, error) {
	from, err := cursor.Decode[position](text)
	return from.Version, err
}

func next(version int64) (*string, error) {
	if version == 0 {
		return nil, nil
	}
	text, err := cursor.Encode(position{version})
	return &text, err
}

type eventsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

func (d Deps) events(ctx context.Context, in eventsInput) (web.Reply[web.Page[wallet.Entry]], error) {
	var none web.Reply[web.Page[wallet.Entry]]
	from, err := after(in.Cursor)
	if err != nil {
		return none, err
	}
	list, err := d.Wallet.Events(ctx, wallet.EventsRequest{UserID: own(ctx), Limit: in.Limit, After: from})
	if err != nil {
		return none, err
	}
	cursor, err := next(list.Next)
	if err != nil {
		return none, err
	}
	return web.OK(web.Page[wallet.Entry]{Items: entries(list.Items), NextCursor: cursor}), nil
}

// entries makes an empty list of none.
func entries(items []wallet.Entry) []wallet.Entry {
	if items == nil {
		return []wallet.Entry{}
	}
	return items
}

type statementInput struct {
	From   time.Time `query:"from" required:"true" doc:"The period begins here."`
	Until  time.Time `query:"until" required:"true" doc:"It ends before here."`
	Limit  int       `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Cursor string    `query:"cursor" doc:"next_cursor of the page before"`
}

// statement is a page of a period.
type statement struct {
	Opening    money.Money    `json:"opening" doc:"the balance where the period begins"`
	Closing    money.Money    `json:"closing" doc:"the balance where it ends"`
	Items      []wallet.Entry `json:"items"`
	NextCursor *string        `json:"next_cursor" doc:"null: no more"`
	Behind     int64          `json:"behind" doc:"events of all wallets that are not in statements yet; 10000: as many or more"`
}

func (d Deps) statement(ctx context.Context, in statementInput) (web.Reply[statement], error) {
	var none web.Reply[statement]
	from, err := after(in.Cursor)
	if err != nil {
		return none, err
	}
	s, err := d.Wallet.Statement(ctx, wallet.StatementRequest{UserID: own(ctx), From: in.From, Until: in.Until, Limit: in.Limit, After: from})
	if err != nil {
		return none, err
	}
	cursor, err := next(s.Next)
	if err != nil {
		return none, err
	}
	return web.OK(statement{Opening: s.Opening, Closing: s.Closing, Items: entries(s.Items), NextCursor: cursor, Behind: s.Behind}), nil
}
