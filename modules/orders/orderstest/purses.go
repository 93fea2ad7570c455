package orderstest

import (
	"context"

	"github.com/banyan-tree/banyan/modules/wallet"
)

type purses struct {
	wallet.Service
	shop *Shop
}

func (p purses) Hold(_ context.Context, req wallet.HoldRequest) (wallet.Hold, error) {
	s := p.shop
	if err := s.enter("wallet.hold", req.OrderID); err != nil {
		return wallet.Hold{}, err
	}
	defer s.mu.Unlock()
	h, ok := s.holds[req.OrderID]
	switch {
	case ok && h.Status == wallet.Released:
		return wallet.Hold{}, wallet.HoldReleased.Errorf("given up")
	case ok:
		return h, nil
	case s.credit[req.UserID] < req.Amount.Amount:
		return wallet.Hold{}, wallet.InsufficientFunds.Errorf("only %d", s.credit[req.UserID])
	}
	s.credit[req.UserID] -= req.Amount.Amount
	h = wallet.Hold{OrderID: req.OrderID, UserID: req.UserID, Status: wallet.Held, Amount: req.Amount, UpdatedAt: now()}
	s.holds[req.OrderID] = h
	return h, nil
}

func (p purses) Release(_ context.Context, req wallet.ReleaseRequest) (wallet.ReleaseReply, error) {
	s := p.shop
	if err := s.enter("wallet.release", req.OrderID); err != nil {
		return wallet.ReleaseReply{}, err
	}
	defer s.mu.Unlock()
	h := s.holds[req.OrderID]
	if h.Status == wallet.Held {
		s.credit[h.UserID] += h.Amount.Amount
	}
	h.OrderID, h.UserID, h.Status = req.OrderID, req.UserID, wallet.Released
	s.holds[req.OrderID] = h
	return wallet.ReleaseReply{}, nil
}

func (p purses) ByOrder(_ context.Context, req wallet.OrderRequest) (wallet.Hold, error) {
	s := p.shop
	if err := s.enter("wallet.by_order", req.OrderID); err != nil {
		return wallet.Hold{}, err
	}
	defer s.mu.Unlock()
	h, ok := s.holds[req.OrderID]
	if !ok || h.Amount.IsZero() {
		return wallet.Hold{}, wallet.HoldNotFound.Errorf("none for %s", req.OrderID)
	}
	return h, nil
}

// Fund gives a user store credit.
func (s *Shop) Fund(user string, cents int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credit[user] += cents
}

// Credit tells what of a user's store credit is available.
func (s *Shop) Credit(user string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credit[user]
}

// Held changes what the shop remembers of an order's hold.
func (s *Shop) Held(order string, change func(*wallet.Hold)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.holds[order]
	change(&h)
	s.holds[order] = h
}
