package core

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Accounts are the streams of all wallets, each named by its owner.
type Accounts interface {
	Load(ctx context.Context, userID string) (eventstore.Loaded[Account], error)
	At(ctx context.Context, userID string, at time.Time) (eventstore.Loaded[Account], error)
	To(ctx context.Context, userID string, version int64) (eventstore.Loaded[Account], error)
	// Walk folds the wallets from one to another, past everything that saves time.
	Walk(ctx context.Context, from, to string, v eventstore.Visitor[Account]) error
	Change(ctx context.Context, userID, command string, decide eventstore.Decide[Account],
		within func(ctx context.Context, c eventstore.Change[Account]) error) (eventstore.Change[Account], error)
}

// Store keeps wallets. Writes are made inside Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error
	// Read gives events of a wallet after a version, in order.
	Read(ctx context.Context, userID string, after int64, limit int) ([]eventstore.Recorded, error)

	// AddHold tells whether the order had none before.
	AddHold(ctx context.Context, h Hold) (bool, error)
	Hold(ctx context.Context, orderID string) (Hold, bool, error)
	// LockHold is Hold, and keeps others from changing it.
	LockHold(ctx context.Context, orderID string) (Hold, bool, error)
	TurnHold(ctx context.Context, orderID, status string, at time.Time) error

	Views
}

// Views are the projections that readers see.
type Views interface {
	// Period gives the lines of a wallet from one instant to before another, after a
	// version, with the last lines before both instants: the zero Line where there is
	// none. All are of one moment.
	Period(ctx context.Context, userID string, from, until time.Time, after int64, limit int) (Period, error)
	// Behind tells how many events the lines do not have yet.
	Behind(ctx context.Context) (int64, error)

	Books
}

// Period is a part of a wallet's statement.
type Period struct {
	Opening, Closing Line // the last ones before it begins, and before it ends
	Lines            []Line
}

// Outbox publishes in the transaction that ctx carries.
type Outbox interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Deps is what wallets require.
type Deps struct {
	Store    Store
	Accounts Accounts
	Outbox   Outbox
	Keys     *idempotency.Keys
	Now      clock.Clock
	NewID    id.Source
	Log      *slog.Logger
	Currency string
}

// Service implements the contract, but for deposits.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service {
	d.Accounts = keptIn{d.Accounts, d.Currency}
	return &Service{d}
}

// change lets decide act on a wallet, opens the wallet where this is the first
// event, and publishes what happened in the same transaction.
func (s *Service) change(ctx context.Context, userID, command string, decide func(a Account) (any, error)) (eventstore.Change[Account], error) {
	var before eventstore.Loaded[Account]
	return s.Accounts.Change(ctx, userID, command, func(l eventstore.Loaded[Account]) ([]any, error) {
		before = l
		e, err := decide(l.State)
		switch {
		case err != nil || e == nil:
			return nil, err
		case l.Head.Version == 0:
			return []any{Opened{Currency: s.Currency}, e}, nil
		}
		return []any{e}, nil
	}, func(ctx context.Context, c eventstore.Change[Account]) error {
		return s.publish(ctx, before.State, c.Recorded)
	})
}

func (s *Service) publish(ctx context.Context, before Account, recorded []eventstore.Recorded) error {
	events := make([]event.Event, len(recorded))
	balance, available := before.Balance, before.Available()
	for i, r := range recorded {
		m, err := moveOf(r.Event)
		if err != nil {
			return err
		}
		l, err := LineOf(r, balance, available)
		if err != nil {
			return err
		}
		balance, available = l.Balance, l.Available
		events[i] = m.published.New(r.Stream, r.Version, wallet.Changed{
			UserID: r.Stream, Reference: l.Reference, Amount: s.of(l.Amount), Balance: s.of(balance), Available: s.of(available),
		})
	}
	return s.Outbox.Publish(ctx, events...)
}

func (s *Service) of(amount int64) money.Money { return money.Of(amount, s.Currency) }

func (s *Service) balance(l eventstore.Loaded[Account]) wallet.Balance {
	return wallet.Balance{Balance: s.of(l.State.Balance), Available: s.of(l.State.Available()), Version: l.Head.Version}
}

// may refuses who is neither the owner nor staff nor the shop itself.
func may(ctx context.Context, userID string) error {
	if userID == "" || !port.PrincipalFrom(ctx).MayActFor(userID) {
		return fault.Forbidden.Errorf("a wallet is for its owner only")
	}
	return nil
}

// checkAmount refuses what can be no amount of this shop.
func (s *Service) checkAmount(a money.Money, most int64) error {
	wrong := wallet.InvalidRequest.Errorf("the amount is not possible: see errors")
	if a.Currency != s.Currency {
		wrong.WithField("/amount/currency", "give "+s.Currency)
	} else if a.Amount < 1 || a.Amount > most {
		wrong.WithField("/amount/amount", "give 1 to "+strconv.FormatInt(most, 10))
	}
	if len(wrong.Fields) > 0 {
		return wrong
	}
	return nil
}

func (s *Service) insufficient(a Account, wanted int64) error {
	return wallet.InsufficientFunds.Errorf("%v were asked for, %v are available", s.of(wanted), s.of(a.Available()))
}

// Balance implements wallet.Service.
func (s *Service) Balance(ctx context.Context, req wallet.BalanceRequest) (wallet.Balance, error) {
	if err := may(ctx, req.UserID); err != nil {
		return wallet.Balance{}, err
	}
	var l eventstore.Loaded[Account]
	var err error
	if req.At.IsZero() {
		l, err = s.Accounts.Load(ctx, req.UserID)
	} else {
		l, err = s.Accounts.At(ctx, req.UserID, instant(req.At))
	}
	if err != nil {
		return wallet.Balance{}, fmt.Errorf("read the wallet of %s: %w", req.UserID, err)
	}
	return s.balance(l), nil
}

// longAgo and farFuture are before and after all that happens to wallets.
var (
	longAgo   = time.Unix(0, 0).UTC()
	farFuture = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// instant keeps what people type between the two: no database keeps all that a
// time.Time can hold, and as text the year 10000 comes before 2026.
func instant(at time.Time) time.Time {
	switch {
	case at.Before(longAgo):
		return longAgo
	case at.After(farFuture):
		return farFuture
	}
	return at
}

// Withdraw implements wallet.Service.
func (s *Service) Withdraw(ctx context.Context, req wallet.WithdrawRequest) (wallet.Withdrawal, error) {
	if err := may(ctx, req.UserID); err != nil {
		return wallet.Withdrawal{}, err
	}
	if err := s.checkAmount(req.Amount, wallet.MaxAmount); err != nil {
		return wallet.Withdrawal{}, err
	}
	return idempotency.Do(ctx, s.Keys, func(ctx context.Context) (wallet.Withdrawal, error) {
		w := wallet.Withdrawal{ID: s.NewID(), UserID: req.UserID, Amount: req.Amount}
		c, err := s.change(ctx, req.UserID, "", func(a Account) (any, error) {
			if a.Available() < req.Amount.Amount {
				return nil, s.insufficient(a, req.Amount.Amount)
			}
			return Withdrawn{WithdrawalID: w.ID, Amount: req.Amount.Amount}, nil
		})
		if err != nil {
			return wallet.Withdrawal{}, err
		}
		w.Wallet, w.CreatedAt = s.balance(c.Loaded), c.Head.At
		return w, nil
	})
}

// Room implements Wallets.
func (s *Service) Room(ctx context.Context, userID string, amount money.Money) error {
	l, err := s.Accounts.Load(ctx, userID)
	if err != nil {
		return err
	}
	return s.room(l.State, amount.Amount)
}

func (s *Service) room(a Account, amount int64) error {
	if a.Balance > wallet.MaxBalance-amount {
		return wallet.LimitExceeded.Errorf("a wallet holds %v at most, and this one has %v", s.of(wallet.MaxBalance), s.of(a.Balance))
	}
	return nil
}

// Credit implements Wallets: a deposit is credited once.
func (s *Service) Credit(ctx context.Context, userID, depositID string, amount money.Money) error {
	_, err := s.change(ctx, userID, "deposit "+depositID, func(a Account) (any, error) {
		if err := s.room(a, amount.Amount); err != nil {
			return nil, err
		}
		return Deposited{DepositID: depositID, Amount: amount.Amount}, nil
	})
	return err
}
