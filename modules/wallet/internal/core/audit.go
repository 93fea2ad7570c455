package core

import (
	"context"
	"fmt"
	"slices"

	"github.com/banyan-tree/banyan/internal/audit"
	"github.com/banyan-tree/banyan/internal/eventstore"
)

// Books is what the audit compares with the streams, many wallets at a time.
type Books interface {
	// Streams names wallets after one, in order.
	Streams(ctx context.Context, after string, limit int) ([]string, error)
	// Known tells which wallets have a stream.
	Known(ctx context.Context, users []string) (map[string]bool, error)
	// OpenHolds gives the holds that are held, by their orders.
	OpenHolds(ctx context.Context, users []string) (map[string][]OpenHold, error)
	// Fed tells up to which position a projection has every event; its rows, where
	// they are read after that, have more or as many.
	Fed(ctx context.Context, projection string) (int64, error)
	// Balances gives what the projection has of wallets, nothing where it has none.
	Balances(ctx context.Context, users []string) (map[string]Line, error)
	// NewestLines gives the last line of wallets.
	NewestLines(ctx context.Context, users []string) (map[string]Line, error)
	// Totals adds up two projections, at one moment.
	Totals(ctx context.Context) (Totals, error)
}

// Totals is what all wallets come to, by two projections.
type Totals struct {
	Moved, Events      int64 // by the daily totals
	Balances, Versions int64 // by the balances
	Settled            bool  // both have been fed the same events
}

// auditPage is how many wallets, or deposits, are looked at together.
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

// eachWallet goes through all wallets, a page at a time. look is given the names of
// a page before its events are read, and says what to do with them: what it reads
// itself is then never ahead of the events.
func (s *Service) eachWallet(ctx context.Context, look func(users []string) (eventstore.Visitor[Account], error)) (examined int, err error) {
	for after := ""; ; {
		users, err := s.Store.Streams(ctx, after, auditPage)
		if err != nil || len(users) == 0 {
			return examined, err
		}
		visitor, err := look(users)
		if err != nil {
			return examined, err
		}
		after = users[len(users)-1]
		if err := s.Accounts.Walk(ctx, users[0], after, visitor); err != nil {
			return examined, err
		}
		examined += len(users)
		audit.Looked(ctx, examined)
	}
}

func (s *Service) auditFolds(ctx context.Context, report func(subject, detail string)) (int, error) {
	return s.eachWallet(ctx, func(users []string) (v eventstore.Visitor[Account], err error) {
		type projection struct {
			fed   int64
			lines map[string]Line
			given map[string]int64 // the last version of each wallet that it was fed
		}
		projected := map[string]projection{}
		for name, read := range map[string]func(context.Context, []string) (map[string]Line, error){
			"balances": s.Store.Balances, "statements": s.Store.NewestLines,
		} {
			p := projection{given: map[string]int64{}}
			if p.fed, err = s.Store.Fed(ctx, name); err != nil {
				return v, err
			}
			if p.lines, err = read(ctx, users); err != nil {
				return v, err
			}
			projected[name] = p
		}
		differs := func(user, name string, seen Line, a Account, version int64) {
			report("wallet "+user, fmt.Sprintf("the projection of %s has %d, %d available, at version %d; its events add up to %d, %d available, at version %d",
				name, seen.Balance, seen.Available, seen.Version, a.Balance, a.Available(), version))
		}
		v.Event = func(r eventstore.Recorded, a Account) {
			for name, p := range projected {
				if r.Position <= p.fed {
					p.given[r.Stream] = r.Version
				}
				seen, known := p.lines[r.Stream]
				if known && seen.Version == r.Version && (seen.Balance != a.Balance || seen.Available != a.Available()) {
					differs(r.Stream, name, seen, a, r.Version)
				}
			}
		}
		v.End = func(user string, l eventstore.Loaded[Account]) error {
			for name, p := range projected {
				switch seen := p.lines[user]; {
				case seen.Version > l.Head.Version:
					differs(user, name, seen, l.State, l.Head.Version)
				case seen.Version < p.given[user]:
					report("wallet "+user, fmt.Sprintf("the projection of %s has lost rows: it was fed up to version %d, and ends at version %d; app projection rebuild %s makes them anew",
						name, p.given[user], seen.Version, name))
				}
			}
			return nil
		}
		v.Broken = func(user string, why error) { report("wallet "+user, why.Error()) }
		return v, nil
	})
}

// auditHolds looks at a wallet again, on its own, where something may have been
// under way.
func (s *Service) auditHolds(ctx context.Context, report func(subject, detail string)) (int, error) {
	return s.eachWallet(ctx, func(users []string) (v eventstore.Visitor[Account], err error) {
		held, err := s.Store.OpenHolds(ctx, users)
		v.Event = func(eventstore.Recorded, Account) {}
		v.End = func(user string, l eventstore.Loaded[Account]) error {
			if slices.Equal(held[user], l.State.Open) {
				return nil
			}
			return s.auditHoldsOf(ctx, user, report)
		}
		v.Broken = func(string, error) {} // a rule of its own
		return v, err
	})
}

func (s *Service) auditHoldsOf(ctx context.Context, user string, report func(subject, detail string)) error {
	for {
		before, err := s.Accounts.Load(ctx, user)
		if err != nil {
			return err
		}
		held, err := s.Store.OpenHolds(ctx, []string{user})
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
		if !slices.Equal(held[user], after.State.Open) {
			report("wallet "+user, fmt.Sprintf("orders hold %v, its events say %v", held[user], after.State.Open))
		}
		return nil
	}
}

func (s *Service) auditTotals(ctx context.Context, report func(subject, detail string)) (int, error) {
	t, err := s.Store.Totals(ctx)
	if err != nil {
		return 0, err
	}
	if !t.Settled { // while one is ahead there is nothing to compare
		audit.UnderWay(ctx, 1)
		return 0, nil
	}
	if t.Moved != t.Balances {
		report("all wallets", fmt.Sprintf("the daily totals add up to %d, the balances to %d", t.Moved, t.Balances))
	}
	if t.Events != t.Versions {
		report("all wallets", fmt.Sprintf("the daily totals have %d events, the balances %d, and both were fed the same: one has lost rows", t.Events, t.Versions))
	}
	return 1, nil
}
