package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

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

// askAtOnce is how many cards are asked after at a time: payments may be far away.
const askAtOnce = 8

// Checks are the rules by which no money comes from nowhere, and none gets lost.
func (l Ledger) Checks() []audit.Check {
	return []audit.Check{{
		Rule: "wallet.deposits_match_charges",
		Says: "each deposit that was credited has its money from a card, and no other deposit keeps any",
		Run:  l.auditDeposits,
	}, {
		Rule: "wallet.money_is_conserved",
		Says: "per wallet: the deposits that were credited, each from its card, less withdrawals and captures, plus refunds and cashback, are its balance",
		Run:  l.auditMoney,
	}}
}

// auditDeposits asks once for the card of each deposit.
func (l Ledger) auditDeposits(ctx context.Context, report func(subject, detail string)) (examined int, err error) {
	ctx = port.WithPrincipal(ctx, port.System("wallet"))
	for after := ""; ; {
		page, err := l.Deposits.Store.Page(ctx, after, auditPage)
		if err != nil || len(page) == 0 {
			return examined, err
		}
		after = page[len(page)-1].ID
		all := len(page)
		page = slices.DeleteFunc(page, func(d Deposit) bool { // a saga that is stuck has a rule of its own; what failed is given back behind it
			return d.Status == DepositPending || l.Deposits.Now().Sub(d.UpdatedAt) < payments.SettledWithin && d.Status == DepositFailed
		})
		audit.UnderWay(ctx, all-len(page))
		kept, err := l.kept(ctx, page)
		if err != nil {
			return examined, err
		}
		users := make([]string, len(page))
		for i, d := range page {
			users[i] = d.UserID
		}
		opened, err := l.Wallets.Store.Known(ctx, users)
		if err != nil {
			return examined, err
		}
		for i, d := range page {
			want := int64(0)
			if d.Status == DepositCredited {
				want = d.Amount.Amount
			}
			if kept[i] != want {
				report("deposit "+d.ID, fmt.Sprintf("it is %s with %v, but the card gave %d", d.Status, d.Amount, kept[i]))
			}
			if want > 0 && !opened[d.UserID] {
				report("deposit "+d.ID, "it is credited, but its wallet was never opened")
			}
		}
		examined += len(page)
		audit.Looked(ctx, examined)
	}
}

// kept is what cards gave for deposits and did not get back.
func (l Ledger) kept(ctx context.Context, deposits []Deposit) ([]int64, error) {
	kept := make([]int64, len(deposits))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(askAtOnce)
	for i, d := range deposits {
		asking.Go(func() error {
			p, err := l.Deposits.Payments.ByDeposit(ctx, payments.DepositRequest{DepositID: d.ID})
			if errors.Is(err, payments.PaymentNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("ask for the charge of deposit %s: %w", d.ID, err)
			}
			kept[i] = p.Captured.Amount - p.Refunded.Amount
			return nil
		})
	}
	return kept, asking.Wait()
}

// auditMoney compares the streams with what has another witness: deposits are what
// their own rows say, which are compared with the cards. It looks at a wallet
// again, on its own, where something may have been under way.
func (l Ledger) auditMoney(ctx context.Context, report func(subject, detail string)) (int, error) {
	return l.Wallets.eachWallet(ctx, func(users []string) (v eventstore.Visitor[Account], err error) {
		credited, err := l.Deposits.Store.Credited(ctx, users)
		sums := map[string]moved{}
		v.Event = func(r eventstore.Recorded, _ Account) { sums[r.Stream] = sums[r.Stream].and(r.Event) }
		v.End = func(user string, last eventstore.Loaded[Account]) error {
			if sums[user].differs(credited[user], last.State) == "" {
				return nil
			}
			return l.auditMoneyOf(ctx, user, report)
		}
		v.Broken = func(string, error) {} // a rule of its own
		return v, err
	})
}

// auditMoneyOf looks until no deposit was credited meanwhile.
func (l Ledger) auditMoneyOf(ctx context.Context, user string, report func(subject, detail string)) error {
	credited := func() (int64, error) {
		all, err := l.Deposits.Store.Credited(ctx, []string{user})
		return all[user], err
	}
	for {
		before, err := credited()
		if err != nil {
			return err
		}
		var sum moved
		detail := ""
		err = l.Wallets.Accounts.Walk(ctx, user, user, eventstore.Visitor[Account]{
			Event: func(r eventstore.Recorded, _ Account) { sum = sum.and(r.Event) },
			End: func(_ string, last eventstore.Loaded[Account]) error {
				detail = sum.differs(before, last.State)
				return nil
			},
			Broken: func(string, error) {},
		})
		if err != nil {
			return err
		}
		after, err := credited()
		if err != nil {
			return err
		}
		if before != after {
			continue
		}
		if detail != "" {
			report("wallet "+user, detail)
		}
		return nil
	}
}

// moved is what the events of a wallet come to.
type moved struct {
	deposited int64
	others    int64 // refunds and cashback, less withdrawals and captures
}

// and is written apart from the fold, which it judges.
func (m moved) and(e any) moved {
	switch e := e.(type) {
	case Deposited:
		m.deposited += e.Amount
	case Withdrawn:
		m.others -= e.Amount
	case HoldCaptured:
		m.others -= e.Amount
	case Refunded:
		m.others += e.Amount
	case Earned:
		m.others += e.Amount
	}
	return m
}

// differs says what does not add up, "" for nothing.
func (m moved) differs(credited int64, a Account) string {
	switch {
	case m.deposited != credited:
		return fmt.Sprintf("deposits of %d were credited, its events have %d", credited, m.deposited)
	case m.deposited+m.others != a.Balance:
		return fmt.Sprintf("deposits gave %d, everything else comes to %d, but its balance is %d", m.deposited, m.others, a.Balance)
	}
	return ""
}
