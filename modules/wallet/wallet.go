// Package wallet is the contract of the wallet context: store credit, one wallet
// per user, kept as a stream of events. Nothing else of the module may be imported.
package wallet

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
)

// Codes of this context.
var (
	InsufficientFunds = fault.Define("wallet.insufficient_funds", fault.KindConflict)
	LimitExceeded     = fault.Define("wallet.limit_exceeded", fault.KindConflict)
	InvalidRequest    = fault.Define("wallet.invalid", fault.KindInvalid)
	HoldNotFound      = fault.Define("wallet.hold_not_found", fault.KindNotFound)
	HoldReleased      = fault.Define("wallet.hold_released", fault.KindConflict)
	// Of the card that a deposit is made by, as payments has them.
	CardDeclined    = fault.Define("payment.declined", fault.KindConflict)
	CardUnavailable = fault.Define("payment.unavailable", fault.KindUnavailable)
)

// Limits in minor units of the store's currency.
const (
	MaxAmount  = 100_000_000       // of one deposit or withdrawal
	MaxBalance = 1_000_000_000_000 // of one wallet: what would pass it is refused
)

// Statuses of a hold.
const (
	Held     = "held"
	Captured = "captured" // the money is spent
	Released = "released" // the money is free again, or was never held
	Refunded = "refunded" // it was captured and given back
)

// Service is what other contexts and the HTTP edge may ask of wallets. A wallet
// is opened by the first thing that happens to it; before that it has nothing.
//
// Besides being called, wallets listen: a dispatched shipment captures its order's
// hold, a cancelled order releases it, and a delivered one earns its owner cashback
// of CashbackPercent of its total, half-even, once. Orders without a hold are none
// of their business.
type Service interface {
	// Balance gives a wallet to its owner or staff, as it is or as it was at an
	// instant. It is read from the stream and never behind it. May be repeated.
	// Codes: fault.Forbidden.
	Balance(ctx context.Context, req BalanceRequest) (Balance, error)
	// Events gives the wallet's stream to its owner or staff, oldest first.
	// May be repeated. Codes: InvalidRequest, fault.Forbidden.
	Events(ctx context.Context, req EventsRequest) (EventList, error)
	// Statement gives what moved in a period with the balance at both ends. It is a
	// projection and says how far it is behind. May be repeated.
	// Codes: InvalidRequest, fault.Forbidden.
	Statement(ctx context.Context, req StatementRequest) (Statement, error)
	// Deposit charges a card and credits the wallet once the provider has captured
	// the money. Whatever crashes or times out, it is credited at most once, and
	// exactly once if the charge stays. When it takes longer than the call, the key is
	// in flight: the same key gives the answer later. CardUnavailable and LimitExceeded
	// end it, with nothing charged. Keyed by the caller's Idempotency-Key.
	// Codes: CardDeclined, CardUnavailable, LimitExceeded, InvalidRequest, fault.Forbidden, idempotency codes.
	Deposit(ctx context.Context, req DepositRequest) (Deposit, error)
	// Withdraw takes out what is available. Keyed by the caller's Idempotency-Key.
	// Codes: InsufficientFunds, InvalidRequest, fault.Forbidden, idempotency codes.
	Withdraw(ctx context.Context, req WithdrawRequest) (Withdrawal, error)
	// Hold sets an amount aside for an order: it stays in the balance and is not
	// available. One hold per order: repeating it gives the first as it is by now.
	// An order that was released before is refused.
	// Codes: InsufficientFunds, HoldReleased, InvalidRequest, fault.Forbidden.
	Hold(ctx context.Context, req HoldRequest) (Hold, error)
	// Release gives up an order's hold: frees what is held, gives back what is
	// captured, and makes a later Hold answer HoldReleased. An order without hold is
	// fine. Repeating it changes nothing. Codes: fault.Forbidden.
	Release(ctx context.Context, req ReleaseRequest) (ReleaseReply, error)
	// ByOrder gives an order's hold to its owner or staff. May be repeated.
	// Codes: HoldNotFound, also for an order that was released before it was held.
	ByOrder(ctx context.Context, req OrderRequest) (Hold, error)
}

// CashbackPercent of a delivered order's total is credited, rounded half to even.
const CashbackPercent = "1"

// BalanceRequest names a wallet, and an instant or none for now. An instant
// before its first event gives nothing, one to come gives what is known by now.
type BalanceRequest struct {
	UserID string    `json:"user_id"`
	At     time.Time `json:"at,omitzero"`
}

// Balance is a wallet at one version. Balance = Available + what is held.
type Balance struct {
	Balance   money.Money `json:"balance"`
	Available money.Money `json:"available"`
	Version   int64       `json:"version"` // of the last event it includes, 0 before the first
}

// EventsRequest asks for a page of a wallet's stream.
type EventsRequest struct {
	UserID string `json:"user_id"`
	Limit  int    `json:"limit"` // 1..100
	After  int64  `json:"after"` // the version that the page before ended with; 0 for the first
}

// EventList is one page.
type EventList struct {
	Items []Entry `json:"items"`
	Next  int64   `json:"next,omitempty"` // After of the next page, 0: no more
}

// Entry is one event of a wallet. Versions count from 1 without gaps, and times
// never go back.
type Entry struct {
	Version   int64       `json:"version"`
	Type      string      `json:"type"` // the name of an event of this package, without "wallet."
	At        time.Time   `json:"at"`
	Amount    money.Money `json:"amount"`
	Balance   money.Money `json:"balance"`             // after it
	Available money.Money `json:"available"`           // after it
	Reference string      `json:"reference,omitempty"` // the order, deposit or withdrawal that it is about
}

// StatementRequest asks for the entries of a period, [From, Until), a page at a time.
type StatementRequest struct {
	UserID string    `json:"user_id"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Limit  int       `json:"limit"` // 1..100
	After  int64     `json:"after"` // Next of the page before
}

// Statement is a page of a period. Opening + what moved = Closing, over all pages.
type Statement struct {
	Opening money.Money `json:"opening"` // balance at From
	Closing money.Money `json:"closing"` // balance at Until
	Items   []Entry     `json:"items"`
	Next    int64       `json:"next,omitempty"` // 0: no more
	Behind  int64       `json:"behind"`         // events of all wallets that it does not know yet, at most 10,000
}

// DepositRequest asks for a card to be charged.
type DepositRequest struct {
	UserID string      `json:"user_id"`
	Amount money.Money `json:"amount"` // 1..MaxAmount
	Token  string      `json:"token"`  // the provider's name for the card; never logged
}

// Deposit was charged and credited. The provider's ledger shows its charge under
// the deposit's id.
type Deposit struct {
	ID        string      `json:"id"`
	UserID    string      `json:"user_id"`
	Amount    money.Money `json:"amount"`
	PaymentID string      `json:"payment_id"`
	CreatedAt time.Time   `json:"created_at"`
}

// WithdrawRequest asks for money to leave the wallet.
type WithdrawRequest struct {
	UserID string      `json:"user_id"`
	Amount money.Money `json:"amount"` // 1..MaxAmount
}

// Withdrawal has left the wallet.
type Withdrawal struct {
	ID        string      `json:"id"`
	UserID    string      `json:"user_id"`
	Amount    money.Money `json:"amount"`
	Wallet    Balance     `json:"wallet"` // after it
	CreatedAt time.Time   `json:"created_at"`
}

// HoldRequest asks for money to be set aside. An order's user and amount cannot change.
type HoldRequest struct {
	OrderID string      `json:"order_id"`
	UserID  string      `json:"user_id"`
	Amount  money.Money `json:"amount"` // above 0
}

// ReleaseRequest names a hold and whose wallet it is, or would have been, in.
type ReleaseRequest struct {
	OrderID string `json:"order_id"`
	UserID  string `json:"user_id"`
}

// ReleaseReply is empty.
type ReleaseReply struct{}

// OrderRequest names a hold by its order.
type OrderRequest struct {
	OrderID string `json:"order_id"`
}

// Hold is what an order has, or had, of a wallet.
type Hold struct {
	OrderID   string      `json:"order_id"`
	UserID    string      `json:"user_id"`
	Status    string      `json:"status" enum:"held,captured,released,refunded"`
	Amount    money.Money `json:"amount"`
	UpdatedAt time.Time   `json:"updated_at"`
}
