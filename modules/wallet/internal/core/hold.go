package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Hold is what an order has, or had, of a wallet. One of amount 0 was released
// before it was held.
type Hold struct {
	OrderID   string
	UserID    string
	Amount    int64
	Status    string
	UpdatedAt time.Time
}

func (s *Service) view(h Hold) wallet.Hold {
	return wallet.Hold{OrderID: h.OrderID, UserID: h.UserID, Status: h.Status, Amount: s.of(h.Amount), UpdatedAt: h.UpdatedAt}
}

// Hold implements wallet.Service. The order's row comes first: whoever adds it
// holds, and all others find what it came to.
func (s *Service) Hold(ctx context.Context, req wallet.HoldRequest) (wallet.Hold, error) {
	if err := may(ctx, req.UserID); err != nil {
		return wallet.Hold{}, err
	}
	if req.OrderID == "" {
		return wallet.Hold{}, wallet.InvalidRequest.Errorf("the order is missing").WithField("/order_id", "name the order")
	}
	if err := s.checkAmount(req.Amount, wallet.MaxBalance); err != nil {
		return wallet.Hold{}, err
	}
	var h Hold
	err := s.Store.Atomic(ctx, func(ctx context.Context) (err error) {
		h, err = s.hold(ctx, req)
		return err
	})
	if err != nil {
		return wallet.Hold{}, err
	}
	return s.view(h), nil
}

func (s *Service) hold(ctx context.Context, req wallet.HoldRequest) (Hold, error) {
	h := Hold{OrderID: req.OrderID, UserID: req.UserID, Amount: req.Amount.Amount, Status: wallet.Held, UpdatedAt: s.Now()}
	fresh, err := s.Store.AddHold(ctx, h)
	if err != nil {
		return h, err
	}
	if !fresh {
		was, found, err := s.Store.LockHold(ctx, req.OrderID)
		switch {
		case err != nil:
			return h, err
		case !found:
			return h, fault.Internal.Errorf("the hold of order %s is gone", req.OrderID)
		case was.Status == wallet.Released || was.Status == wallet.Refunded:
			return h, wallet.HoldReleased.Errorf("the hold of order %s was given up", req.OrderID)
		case was.UserID != req.UserID || was.Amount != req.Amount.Amount:
			return h, wallet.InvalidRequest.Errorf("the order %s holds another amount, or in another wallet", req.OrderID).
				WithField("/order_id", "an order's user and amount cannot change")
		}
		return was, nil
	}
	_, err = s.change(ctx, req.UserID, "hold "+req.OrderID, func(a Account) (any, error) {
		if a.Available() < req.Amount.Amount {
			return nil, s.insufficient(a, req.Amount.Amount)
		}
		return Held{OrderID: req.OrderID, Amount: req.Amount.Amount}, nil
	})
	return h, err
}

// Release implements wallet.Service.
func (s *Service) Release(ctx context.Context, req wallet.ReleaseRequest) (wallet.ReleaseReply, error) {
	if err := may(ctx, req.UserID); err != nil {
		return wallet.ReleaseReply{}, err
	}
	if req.OrderID == "" {
		return wallet.ReleaseReply{}, wallet.InvalidRequest.Errorf("the order is missing").WithField("/order_id", "name the order")
	}
	return wallet.ReleaseReply{}, s.Store.Atomic(ctx, func(ctx context.Context) error {
		never := Hold{OrderID: req.OrderID, UserID: req.UserID, Status: wallet.Released, UpdatedAt: s.Now()}
		if fresh, err := s.Store.AddHold(ctx, never); err != nil || fresh {
			return err
		}
		h, found, err := s.Store.LockHold(ctx, req.OrderID)
		switch {
		case err != nil:
			return err
		case found && h.UserID != req.UserID:
			return fault.Forbidden.Errorf("the order %s holds in another wallet", req.OrderID)
		}
		return s.letGo(ctx, h)
	})
}

// letGo frees what is held, and gives back what is captured.
func (s *Service) letGo(ctx context.Context, h Hold) error {
	switch h.Status {
	case wallet.Held:
		return s.turn(ctx, h, wallet.Released, HoldReleased{OrderID: h.OrderID, Amount: h.Amount})
	case wallet.Captured:
		return s.turn(ctx, h, wallet.Refunded, Refunded{OrderID: h.OrderID, Amount: h.Amount})
	}
	return nil
}

// turn gives a locked hold a status, and records what that means for the wallet.
func (s *Service) turn(ctx context.Context, h Hold, status string, e any) error {
	if err := s.Store.TurnHold(ctx, h.OrderID, status, s.Now()); err != nil {
		return err
	}
	_, err := s.change(ctx, h.UserID, status+" "+h.OrderID, func(Account) (any, error) { return e, nil })
	return err
}

// ByOrder implements wallet.Service.
func (s *Service) ByOrder(ctx context.Context, req wallet.OrderRequest) (wallet.Hold, error) {
	h, found, err := s.Store.Hold(ctx, req.OrderID)
	if err != nil {
		return wallet.Hold{}, err
	}
	if !found || h.Amount == 0 || !port.PrincipalFrom(ctx).MayActFor(h.UserID) {
		return wallet.Hold{}, wallet.HoldNotFound.Errorf("the order %q has no hold", req.OrderID)
	}
	return s.view(h), nil
}

// OnDispatched captures the hold of an order whose goods have left.
func (s *Service) OnDispatched(ctx context.Context, _ event.Meta, e shipping.ShipmentChanged) error {
	h, found, err := s.Store.LockHold(ctx, e.OrderID)
	if err != nil || !found || h.Status != wallet.Held {
		return err
	}
	return s.turn(ctx, h, wallet.Captured, HoldCaptured{OrderID: h.OrderID, Amount: h.Amount})
}

// OnCancelled gives up the hold of a cancelled order. One that was paid by other
// means has none.
func (s *Service) OnCancelled(ctx context.Context, _ event.Meta, e orders.OrderEnded) error {
	h, found, err := s.Store.LockHold(ctx, e.OrderID)
	if err != nil || !found {
		return err
	}
	return s.letGo(ctx, h)
}

// OnDelivered credits the cashback of a delivered order, once. A wallet that has
// no room for it gets none: it would be in the way of what comes after it.
func (s *Service) OnDelivered(ctx context.Context, _ event.Meta, e orders.OrderEnded) error {
	back, err := e.Total.Percent(wallet.CashbackPercent)
	if err != nil {
		return fmt.Errorf("cashback of order %s: %w", e.OrderID, err)
	}
	if back.Amount < 1 || back.Currency != s.Currency || e.UserID == "" {
		return nil
	}
	_, err = s.change(ctx, e.UserID, "cashback "+e.OrderID, func(a Account) (any, error) {
		if err := s.room(a, back.Amount); err != nil {
			return nil, err
		}
		return Earned{OrderID: e.OrderID, Amount: back.Amount}, nil
	})
	if errors.Is(err, wallet.LimitExceeded) {
		s.Log.WarnContext(ctx, "no room for cashback", "order", e.OrderID, "user", e.UserID, "amount", back.Amount)
		return nil
	}
	return err
}
