package wallettest

import (
	"context"
	"slices"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Balance implements wallet.Service.
func (f *Fake) Balance(ctx context.Context, req wallet.BalanceRequest) (wallet.Balance, error) {
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.Balance{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[req.UserID]
	if !req.At.IsZero() {
		for len(s) > 0 && s[len(s)-1].At.After(req.At) {
			s = s[:len(s)-1]
		}
	}
	return balanceOf(s), nil
}

// Events implements wallet.Service.
func (f *Fake) Events(ctx context.Context, req wallet.EventsRequest) (wallet.EventList, error) {
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.EventList{}, err
	}
	if req.Limit < 1 || req.Limit > 100 || req.After < 0 {
		return wallet.EventList{}, wallet.InvalidRequest.Errorf("a page has 1 to 100 events")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	items, next := page(f.streams[req.UserID], req.After, req.Limit)
	return wallet.EventList{Items: items, Next: next}, nil
}

func page(all []wallet.Entry, after int64, limit int) ([]wallet.Entry, int64) {
	items := []wallet.Entry{}
	for _, e := range all {
		switch {
		case e.Version <= after:
		case len(items) == limit:
			return items, items[limit-1].Version
		default:
			items = append(items, e)
		}
	}
	return items, 0
}

// Statement implements wallet.Service.
func (f *Fake) Statement(ctx context.Context, req wallet.StatementRequest) (wallet.Statement, error) {
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.Statement{}, err
	}
	if req.Limit < 1 || req.Limit > 100 || req.After < 0 || req.Until.Before(req.From) {
		return wallet.Statement{}, wallet.InvalidRequest.Errorf("a page has 1 to 100 entries, and a period ends after it begins")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[req.UserID]
	first := slices.IndexFunc(s, func(e wallet.Entry) bool { return !e.At.Before(req.From) })
	if first < 0 {
		first = len(s)
	}
	end := first
	for end < len(s) && s[end].At.Before(req.Until) {
		end++
	}
	items, next := page(s[first:end], req.After, req.Limit)
	return wallet.Statement{Opening: balanceOf(s[:first]).Balance, Closing: balanceOf(s[:end]).Balance, Items: items, Next: next}, nil
}

// Deposit implements wallet.Service.
func (f *Fake) Deposit(ctx context.Context, req wallet.DepositRequest) (wallet.Deposit, error) {
	if f.DepositFunc != nil {
		return f.DepositFunc(ctx, req)
	}
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.Deposit{}, err
	}
	return once(ctx, f, func() (wallet.Deposit, error) {
		if err := checkAmount(req.Amount); err != nil {
			return wallet.Deposit{}, err
		}
		switch req.Token {
		case "":
			return wallet.Deposit{}, wallet.InvalidRequest.Errorf("no card").WithField("/token", "give the provider's token of the card")
		case "tok_declined", "tok_insufficient_funds":
			return wallet.Deposit{}, wallet.CardDeclined.Errorf("the card was declined: %s", req.Token)
		case "tok_error":
			return wallet.Deposit{}, wallet.CardUnavailable.Errorf("the payment provider cannot be asked at present, try again")
		}
		if err := f.room(req.UserID, req.Amount); err != nil {
			return wallet.Deposit{}, err
		}
		d := wallet.Deposit{ID: id.V7(), UserID: req.UserID, Amount: req.Amount, PaymentID: id.V7(), CreatedAt: clock.System()}
		f.append(req.UserID, wallet.WasDeposited.Name(), d.ID, req.Amount.Amount, req.Amount.Amount, req.Amount.Amount)
		return d, nil
	})
}

// Withdraw implements wallet.Service.
func (f *Fake) Withdraw(ctx context.Context, req wallet.WithdrawRequest) (wallet.Withdrawal, error) {
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.Withdrawal{}, err
	}
	return once(ctx, f, func() (wallet.Withdrawal, error) {
		if err := checkAmount(req.Amount); err != nil {
			return wallet.Withdrawal{}, err
		}
		n := req.Amount.Amount
		if balanceOf(f.streams[req.UserID]).Available.Amount < n {
			return wallet.Withdrawal{}, wallet.InsufficientFunds.Errorf("so much is not available")
		}
		w := wallet.Withdrawal{ID: id.V7(), UserID: req.UserID, Amount: req.Amount}
		w.CreatedAt = f.append(req.UserID, wallet.WasWithdrawn.Name(), w.ID, n, -n, -n)
		w.Wallet = balanceOf(f.streams[req.UserID])
		return w, nil
	})
}

// Hold implements wallet.Service.
func (f *Fake) Hold(ctx context.Context, req wallet.HoldRequest) (wallet.Hold, error) {
	if f.HoldFunc != nil {
		return f.HoldFunc(ctx, req)
	}
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.Hold{}, err
	}
	if req.OrderID == "" || req.Amount.Amount < 1 || req.Amount.Currency != "USD" {
		return wallet.Hold{}, wallet.InvalidRequest.Errorf("nothing can be held like this")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := req.Amount.Amount
	switch h := f.holds[req.OrderID]; {
	case h != nil && (h.Status == wallet.Released || h.Status == wallet.Refunded):
		return wallet.Hold{}, wallet.HoldReleased.Errorf("the order's hold was given up")
	case h != nil && (h.UserID != req.UserID || h.Amount != req.Amount):
		return wallet.Hold{}, wallet.InvalidRequest.Errorf("the order has a hold of another amount or user already")
	case h != nil:
		return *h, nil
	case balanceOf(f.streams[req.UserID]).Available.Amount < n:
		return wallet.Hold{}, wallet.InsufficientFunds.Errorf("so much is not available")
	}
	h := &wallet.Hold{OrderID: req.OrderID, UserID: req.UserID, Amount: req.Amount}
	f.turn(h, wallet.Held, wallet.WasHeld.Name(), 0, -n)
	f.holds[req.OrderID] = h
	return *h, nil
}

// Release implements wallet.Service.
func (f *Fake) Release(ctx context.Context, req wallet.ReleaseRequest) (wallet.ReleaseReply, error) {
	if f.ReleaseFunc != nil {
		return f.ReleaseFunc(ctx, req)
	}
	if err := allowed(ctx, req.UserID); err != nil {
		return wallet.ReleaseReply{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.holds[req.OrderID]
	if h == nil { // a later Hold finds it
		f.holds[req.OrderID] = &wallet.Hold{OrderID: req.OrderID, UserID: req.UserID, Status: wallet.Released}
		return wallet.ReleaseReply{}, nil
	}
	if err := allowed(port.WithPrincipal(ctx, port.Principal{Subject: req.UserID}), h.UserID); err != nil {
		return wallet.ReleaseReply{}, err
	}
	f.release(h)
	return wallet.ReleaseReply{}, nil
}

// ByOrder implements wallet.Service.
func (f *Fake) ByOrder(ctx context.Context, req wallet.OrderRequest) (wallet.Hold, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.holds[req.OrderID]
	if h == nil || h.Amount.Amount == 0 || !port.PrincipalFrom(ctx).MayActFor(h.UserID) {
		return wallet.Hold{}, wallet.HoldNotFound.Errorf("the order %q has no hold", req.OrderID)
	}
	return *h, nil
}
