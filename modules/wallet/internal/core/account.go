// Package core decides what may happen to wallets. A wallet is the fold of its
// events: what is decided here is recorded, and nothing else changes a balance.
package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Account is a wallet as its events made it. Amounts are minor units.
type Account struct {
	Currency string     `json:"currency"`
	Balance  int64      `json:"balance"`
	Held     int64      `json:"held"` // of the balance, by all open holds
	Open     []OpenHold `json:"open,omitempty"`
}

// OpenHold is what an order has set aside.
type OpenHold struct {
	OrderID string `json:"order_id"`
	Amount  int64  `json:"amount"`
}

// Available is what may be spent.
func (a Account) Available() int64 { return a.Balance - a.Held }

// Snapshots of accounts: their schema, and how many events lie between them.
const (
	accountSchema = 1
	accountEvery  = 100
)

// Fold is how events make an account. An event that would break a rule, such as a
// balance below zero, is refused also when it is about to be recorded.
func Fold() eventstore.Fold[Account] {
	return eventstore.Fold[Account]{Schema: accountSchema, Every: accountEvery, Apply: func(a Account, r eventstore.Recorded) (Account, error) {
		if opened, ok := r.Event.(Opened); ok {
			if r.Version != 1 {
				return a, fmt.Errorf("a wallet is opened once")
			}
			return Account{Currency: opened.Currency}, nil
		}
		if r.Version == 1 {
			return a, fmt.Errorf("a wallet begins by being opened, not with %T", r.Event)
		}
		m, err := moveOf(r.Event)
		if err != nil {
			return a, err
		}
		return a.after(m)
	}}
}

// move is what an event does to an account.
type move struct {
	published *event.Type[wallet.Changed]
	reference string
	amount    int64
	balance   int64 // -1, 0 or 1 times the amount
	hold      int64 // 1: begins to be held, -1: ends to be
}

func moveOf(e any) (move, error) {
	switch e := e.(type) {
	case Opened:
		return move{published: wallet.WasOpened}, nil
	case Deposited:
		return move{wallet.WasDeposited, e.DepositID, e.Amount, +1, 0}, nil
	case Withdrawn:
		return move{wallet.WasWithdrawn, e.WithdrawalID, e.Amount, -1, 0}, nil
	case Held:
		return move{wallet.WasHeld, e.OrderID, e.Amount, 0, +1}, nil
	case HoldCaptured:
		return move{wallet.HoldCaptured, e.OrderID, e.Amount, -1, -1}, nil
	case HoldReleased:
		return move{wallet.HoldFreed, e.OrderID, e.Amount, 0, -1}, nil
	case Refunded:
		return move{wallet.WasRefunded, e.OrderID, e.Amount, +1, 0}, nil
	case Earned:
		return move{wallet.CashbackGiven, e.OrderID, e.Amount, +1, 0}, nil
	}
	return move{}, fmt.Errorf("a wallet does not know %T", e)
}

// after gives the account after a move. It does not touch the holds of a, which
// others see too.
func (a Account) after(m move) (Account, error) {
	if m.amount < 1 {
		return a, fmt.Errorf("%s %s: the amount is %d", m.published.Name(), m.reference, m.amount)
	}
	at, open := slices.BinarySearchFunc(a.Open, m.reference, func(h OpenHold, order string) int { return strings.Compare(h.OrderID, order) })
	switch {
	case m.hold > 0 && open:
		return a, fmt.Errorf("%s: order %s holds already", m.published.Name(), m.reference)
	case m.hold > 0:
		a.Open = slices.Insert(slices.Clone(a.Open), at, OpenHold{m.reference, m.amount})
	case m.hold < 0 && (!open || a.Open[at].Amount != m.amount):
		return a, fmt.Errorf("%s: order %s does not hold %d", m.published.Name(), m.reference, m.amount)
	case m.hold < 0:
		a.Open = slices.Delete(slices.Clone(a.Open), at, at+1)
	}
	if len(a.Open) == 0 {
		a.Open = nil
	}
	a.Balance += m.balance * m.amount
	a.Held += m.hold * m.amount
	if a.Balance < 0 || a.Available() < 0 {
		return a, fmt.Errorf("%s %s: the balance would be %d, of which %d are held", m.published.Name(), m.reference, a.Balance, a.Held)
	}
	return a, nil
}

// Line is an event with the account after it.
type Line struct {
	UserID    string
	Version   int64
	Type      string // of the published event, without "wallet."
	At        time.Time
	Amount    int64
	Moved     int64 // what it added to the balance
	Balance   int64
	Available int64
	Reference string
}

// LineOf tells what an event did, from the balance and what was available before.
func LineOf(r eventstore.Recorded, balance, available int64) (Line, error) {
	m, err := moveOf(r.Event)
	if err != nil {
		return Line{}, err
	}
	moved := m.balance * m.amount
	return Line{
		UserID: r.Stream, Version: r.Version, Type: strings.TrimPrefix(m.published.Name(), "wallet."), At: r.At, Amount: m.amount, Moved: moved,
		Balance: balance + moved, Available: available + moved - m.hold*m.amount, Reference: m.reference,
	}, nil
}

// entry is a line as others see it.
func (l Line) entry(currency string) wallet.Entry {
	of := func(n int64) money.Money { return money.Of(n, currency) }
	return wallet.Entry{
		Version: l.Version, Type: l.Type, At: l.At, Amount: of(l.Amount), Balance: of(l.Balance), Available: of(l.Available), Reference: l.Reference,
	}
}
