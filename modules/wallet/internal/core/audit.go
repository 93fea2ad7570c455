package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/audit"
)

// Books is what the audit compares with the streams.
type Books interface {
	// Streams names wallets after one, in order.
	Streams(ctx context.Context, after string, limit int) ([]string, error)
	// OpenHolds gives the holds of a wallet that are held, by their orders.
	OpenHolds(ctx context.Context, userID string) ([]Hold, error)
	// Balance gives what the projection has of a wallet, the zero Line for nothing.
	Balance(ctx context.Context, userID string) (Line, error)
	// NewestLine gives the last line of a wallet.
	NewestLine(ctx context.Context, userID string) (Line, error)
	// Totals gives what all events moved by the daily totals, and what all balances
	// add up to; settled tells that both know the same events.
	Totals(ctx context.Context) (moved, balances int64, settled bool, err error)
}

const auditPage = 200

// Checks are the rules that every wallet keeps.
func (s *Service) Checks() []audit.Check {
	return []audit.Check{{
		Rule: "wallet.fold_is_balance",
		Says: "per wallet: its versions have no gap, no balance was ever below zero, and the projections of balances and statements say what the fold of its events says",
		Run:  s.auditFolds,
	}, {
		Rule: "wallet.holds_match_streams",
		Says: "per wallet: the orders that hold are those whose holds are open in its events, with the same amounts",
		Run:  s.auditHolds,
	}, {
		Rule: "wallet.totals_add_up",
		Says: "what came in less what went out, by the daily totals, is what all balances add up to",
		Run:  s.auditTotals,
	}}
}

func (s *Service) eachWallet(ctx context.Context, look func(userID string) error) (examined int, err error) {
	for after := ""; ; {
		users, err := s.Store.Streams(ctx, after, auditPage)
		if err != nil || len(users) == 0 {
			return examined, err
		}
		for _, user := range users {
			if err := look(user); err != nil {
				return examined, err
			}
			examined++
			after = user
		}
	}
}

func (s *Service) auditFolds(ctx context.Context, report func(subject, detail string)) (int, error) {
	return s.eachWallet(ctx, func(user string) error {
		if _, err := s.Accounts.Replay(ctx, user); err != nil {
			report("wallet "+user, err.Error())
			return nil
		}
		for name, read := range map[string]func(context.Context, string) (Line, error){"balances": s.Store.Balance, "statements": s.Store.NewestLine} {
			seen, err := read(ctx, user)
			if err != nil {
				return err
			}
			l, err := s.Accounts.To(ctx, user, seen.Version)
			if err != nil {
				return err
			}
			if l.Head.Version != seen.Version || l.State.Balance != seen.Balance || l.State.Available() != seen.Available {
				report("wallet "+user, fmt.Sprintf("the projection of %s has %d, %d available, at version %d; its events add up to %d, %d available, at version %d",
					name, seen.Balance, seen.Available, seen.Version, l.State.Balance, l.State.Available(), l.Head.Version))
			}
		}
		return nil
	})
}

// auditHolds looks again where something was under way.
func (s *Service) auditHolds(ctx context.Context, report func(subject, detail string)) (int, error) {
	return s.eachWallet(ctx, func(user string) error {
		for {
			before, err := s.Accounts.Load(ctx, user)
			if err != nil {
				return err
			}
			held, err := s.Store.OpenHolds(ctx, user)
			if err != nil {
				return err
			}
			after, err := s.Accounts.Load(ctx, user)
			if err != nil {
				return err
			}
			if before.Head.Version != after.Head.Version {
				continue
			}
			open := make([]OpenHold, len(held))
			for i, h := range held {
				open[i] = OpenHold{h.OrderID, h.Amount}
			}
			slices.SortFunc(open, func(a, b OpenHold) int { return strings.Compare(a.OrderID, b.OrderID) })
			if !slices.Equal(open, after.State.Open) {
				report("wallet "+user, fmt.Sprintf("orders hold %v, its events say %v", open, after.State.Open))
			}
			return nil
		}
	})
}

func (s *Service) auditTotals(ctx context.Context, report func(subject, detail string)) (int, error) {
	moved, balances, settled, err := s.Store.Totals(ctx)
	if err != nil || !settled { // while the projections catch up there is nothing to compare
		return 0, err
	}
	if moved != balances {
		report("all wallets", fmt.Sprintf("the daily totals add up to %d, the balances to %d", moved, balances))
	}
	return 1, nil
}
