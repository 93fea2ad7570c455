// Package core decides about wallets: what moves money in and out of them, and when.
// It knows no SQL, no HTTP and no broker.
package core

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Statuses of a deposit.
const (
	DepositPending  = "pending"  // the card is being charged
	DepositCredited = "credited" // charged and credited
	DepositFailed   = "failed"   // nothing stays charged
)

// Deposit is what was asked for and what became of it.
type Deposit struct {
	ID        string
	UserID    string
	Amount    money.Money
	Status    string
	Reason    string // code for which it failed
	PaymentID string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// DepositStore keeps deposits. Insert and Settle need the transaction that ctx carries.
type DepositStore interface {
	Insert(ctx context.Context, d Deposit) error
	// Get reads a deposit. Codes: fault.NotFound.
	Get(ctx context.Context, id string) (Deposit, error)
	// Settle ends a pending deposit; false when it was ended already.
	Settle(ctx context.Context, id, status, reason, paymentID string, at time.Time) (bool, error)
	// Credited is what was credited to wallets by deposits.
	Credited(ctx context.Context, users []string) (map[string]int64, error)
	// Page gives deposits by id, after the given one.
	Page(ctx context.Context, after string, limit int) ([]Deposit, error)
}

// Wallets are where the money goes.
type Wallets interface {
	// Room refuses an amount that the wallet would not take now. Codes: wallet.LimitExceeded.
	Room(ctx context.Context, userID string, amount money.Money) error
	// Credit adds a deposit to a wallet, in the transaction that ctx carries, once
	// however often it is called. Codes: wallet.LimitExceeded.
	Credit(ctx context.Context, userID, depositID string, amount money.Money) error
}

// DepositDeps are what deposits need.
type DepositDeps struct {
	Store    DepositStore
	Wallets  Wallets
	Payments payments.Service
	Sagas    *saga.Engine
	Keys     *idempotency.Keys
	Now      clock.Clock
	NewID    id.Source
	Currency string
}

// Deposits bring money from cards into wallets: a saga that charges by way of
// payments and ends by crediting, so that what was captured is credited once, and
// what cannot be credited does not stay charged.
type Deposits struct {
	DepositDeps
	charges *saga.Saga[Charge]
}

// NewDeposits registers the saga.
func NewDeposits(d DepositDeps) *Deposits {
	s := &Deposits{DepositDeps: d}
	s.charges = saga.Register(d.Sagas, s.charge())
	return s
}

const (
	// depositPatience is how long a caller waits for the card; a slow one takes three seconds.
	depositPatience = 12 * time.Second
	// depositSlack is how much longer than its wait a deposit may take before a
	// repeat believes that its process died.
	depositSlack = 5 * time.Second
)

// Deposit implements wallet.Service.
func (s *Deposits) Deposit(ctx context.Context, req wallet.DepositRequest) (wallet.Deposit, error) {
	if req.UserID == "" || !port.PrincipalFrom(ctx).MayActFor(req.UserID) {
		return wallet.Deposit{}, fault.Forbidden.Errorf("a deposit is made into one's own wallet")
	}
	if err := s.check(req); err != nil {
		return wallet.Deposit{}, err
	}
	if s.Sagas.Pressed() {
		return wallet.Deposit{}, fault.Unavailable.Errorf("more deposits come in than can be made at present: try again after the seconds in Retry-After, with the same key").
			WithDetail("retry_after", strconv.Itoa(1+rand.IntN(3)))
	}
	return idempotency.Finish(ctx, s.Keys, depositPatience+depositSlack,
		func(ctx context.Context) (wallet.Deposit, error) { return s.begin(ctx, req) },
		s.outcome)
}

func (s *Deposits) check(req wallet.DepositRequest) error {
	wrong := wallet.InvalidRequest.Errorf("the deposit cannot be made like this: see errors")
	if a := req.Amount; a.Currency != s.Currency {
		wrong.WithField("/amount/currency", "give "+s.Currency)
	} else if a.Amount < 1 || a.Amount > wallet.MaxAmount {
		wrong.WithField("/amount/amount", "give 1 to "+strconv.Itoa(wallet.MaxAmount))
	}
	if req.Token == "" || len(req.Token) > 200 {
		wrong.WithField("/token", "must be the provider's name for the card")
	}
	if len(wrong.Fields) > 0 {
		return wrong
	}
	return nil
}

// begin records the deposit and starts its saga, in one transaction.
func (s *Deposits) begin(ctx context.Context, req wallet.DepositRequest) (wallet.Deposit, error) {
	if err := s.Wallets.Room(ctx, req.UserID, req.Amount); err != nil {
		return wallet.Deposit{}, err
	}
	now := s.Now()
	d := Deposit{ID: s.NewID(), UserID: req.UserID, Amount: req.Amount, Status: DepositPending, CreatedAt: now, UpdatedAt: now}
	if err := s.Store.Insert(ctx, d); err != nil {
		return wallet.Deposit{}, err
	}
	return d.view(), s.charges.Start(ctx, d.ID, Charge{UserID: d.UserID, Amount: d.Amount, Token: req.Token})
}

// outcome waits until the deposit is decided. It leaves a tenth of the caller's
// time for the answer.
func (s *Deposits) outcome(ctx context.Context, first wallet.Deposit) (wallet.Deposit, error) {
	long := depositPatience
	if until, ok := ctx.Deadline(); ok {
		long = min(long, time.Until(until)*9/10)
	}
	waiting, stop := context.WithTimeout(ctx, long)
	defer stop()
	if _, err := s.Sagas.Wait(waiting, first.ID); err != nil && !errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return wallet.Deposit{}, err
	}
	d, err := s.Store.Get(ctx, first.ID)
	switch {
	case err != nil:
		return wallet.Deposit{}, err
	case d.Status == DepositCredited:
		return d.view(), nil
	case d.Status == DepositFailed:
		return wallet.Deposit{}, depositRefusal(d.Reason)
	}
	return wallet.Deposit{}, idempotency.InFlight.Errorf("the card is still being charged: ask again with the same key").
		WithDetail("retry_after", "1")
}

func (d Deposit) view() wallet.Deposit {
	return wallet.Deposit{ID: d.ID, UserID: d.UserID, Amount: d.Amount, PaymentID: d.PaymentID, CreatedAt: d.CreatedAt}
}

// depositRefusal tells the customer why there was no deposit.
func depositRefusal(reason string) error {
	switch reason {
	case wallet.CardDeclined.Name():
		return wallet.CardDeclined.Errorf("the card was declined: nothing was charged")
	case wallet.LimitExceeded.Name():
		return wallet.LimitExceeded.Errorf("the wallet would hold more than it may: nothing stays charged")
	}
	return wallet.CardUnavailable.Errorf("the payment provider could not be reached: nothing stays charged, make a new deposit with a new key")
}
