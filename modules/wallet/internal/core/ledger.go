package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/payments"
)

// Ledger compares wallets with the cards that filled them. What payments says of a
// card is in turn compared with the provider's own ledger, by payments.
type Ledger struct {
	Wallets  *Service
	Deposits *Deposits
}

// settledWithin is how long a deposit may differ from its charge after its last
// change: one that failed is given back behind it.
const settledWithin = time.Minute

// Checks are the rules by which no money comes from nowhere, and none gets lost.
func (l Ledger) Checks() []audit.Check {
	return []audit.Check{{
		Rule: "wallet.deposits_match_charges",
		Says: "each deposit that was credited has its money from a card, and no other deposit keeps any",
		Run:  l.auditDeposits,
	}, {
		Rule: "wallet.money_is_conserved",
		Says: "per wallet: what cards gave for its deposits, less withdrawals and captures, plus refunds and cashback, is its balance",
		Run:  l.auditMoney,
	}}
}

func (l Ledger) auditDeposits(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	ctx = port.WithPrincipal(ctx, port.System("wallet"))
	for after := ""; ; {
		page, err := l.Deposits.Store.Page(ctx, after, auditPage)
		if err != nil || len(page) == 0 {
			return examined, err
		}
		for _, d := range page {
			after = d.ID
			if d.Status == DepositPending || l.Deposits.Now().Sub(d.UpdatedAt) < settledWithin && d.Status == DepositFailed {
				continue // a saga that is stuck has a rule of its own
			}
			examined++
			kept, err := l.kept(ctx, d.ID)
			if err != nil {
				return examined, err
			}
			want := int64(0)
			if d.Status == DepositCredited {
				want = d.Amount.Amount
			}
			if kept != want {
				report("deposit "+d.ID, fmt.Sprintf("it is %s with %v, but the card gave %d", d.Status, d.Amount, kept))
			}
			if first, err := l.Wallets.Store.Read(ctx, d.UserID, 0, 1); err != nil {
				return examined, err
			} else if want > 0 && len(first) == 0 {
				report("deposit "+d.ID, "it is credited, but its wallet was never opened")
			}
		}
	}
}

// kept is what a card gave for a deposit and did not get back.
func (l Ledger) kept(ctx context.Context, depositID string) (int64, error) {
	p, err := l.Deposits.Payments.ByDeposit(ctx, payments.DepositRequest{DepositID: depositID})
	if errors.Is(err, payments.PaymentNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the charge of deposit %s: %w", depositID, err)
	}
	return p.Captured.Amount - p.Refunded.Amount, nil
}

func (l Ledger) auditMoney(ctx context.Context, report func(subject, detail string)) (int, error) {
	ctx = port.WithPrincipal(ctx, port.System("wallet"))
	return l.Wallets.eachWallet(ctx, func(user string) error {
		credited, err := l.Deposits.Store.Credited(ctx, user)
		if err != nil {
			return err
		}
		sum, err := l.sum(ctx, user)
		if err != nil {
			return err
		}
		account, err := l.Wallets.Accounts.To(ctx, user, sum.version)
		if err != nil { // a stream that cannot be folded
			report("wallet "+user, err.Error())
			return nil
		}
		if account.State.Balance != sum.cards+sum.others {
			report("wallet "+user, fmt.Sprintf("cards gave %d, everything else comes to %d, but its balance is %d", sum.cards, sum.others, account.State.Balance))
		}
		// Deposits may be credited while we read: more than before is fine, less is not.
		if sum.deposited < credited {
			report("wallet "+user, fmt.Sprintf("deposits of %d were credited, its events have %d", credited, sum.deposited))
		}
		return nil
	})
}

// moved is what the events of a wallet come to.
type moved struct {
	version   int64
	deposited int64 // by the events themselves
	cards     int64 // what cards gave for these deposits
	others    int64 // refunds and cashback, less withdrawals and captures
}

func (l Ledger) sum(ctx context.Context, user string) (m moved, err error) {
	for {
		page, err := l.Wallets.Store.Read(ctx, user, m.version, auditPage)
		if err != nil || len(page) == 0 {
			return m, err
		}
		for _, e := range page {
			if err := l.add(ctx, &m, e); err != nil {
				return m, err
			}
		}
	}
}

func (l Ledger) add(ctx context.Context, m *moved, e eventstore.Recorded) error {
	m.version = e.Version
	switch e := e.Event.(type) {
	case Deposited:
		kept, err := l.kept(ctx, e.DepositID)
		m.deposited += e.Amount
		m.cards += kept
		return err
	case Withdrawn:
		m.others -= e.Amount
	case HoldCaptured:
		m.others -= e.Amount
	case Refunded:
		m.others += e.Amount
	case Earned:
		m.others += e.Amount
	case Opened, Held, HoldReleased: // nothing comes or goes
	default:
		return fmt.Errorf("the audit does not know %T", e)
	}
	return nil
}
