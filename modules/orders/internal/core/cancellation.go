package core

import (
	"context"
	"errors"
	"time"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
)

// cancelWait is how long Cancel waits for the decision before it answers that
// there is none yet. It is within the deadline of the call.
const cancelWait = 3 * time.Second

// Cancellation is a confirmed order that somebody wants cancelled. Whether that
// is still possible, shipping decides.
type Cancellation struct {
	OrderID string `json:"order_id"`
	Stopped bool   `json:"stopped,omitempty"` // nothing will be sent
}

// cancellation asks as long as shipping does not answer: once shipping may have
// stopped the shipment, a confirmed order would never be sent. That it has is written
// at once. Who ends the saga before cannot tell whether an answer was lost, so shipping
// is asked again on the way back: the order would be kept otherwise.
func (s *Service) cancellation() saga.Definition[Cancellation] {
	return saga.Definition[Cancellation]{
		Name: "orders.cancellation",
		Steps: []saga.Step[Cancellation]{
			{Name: "stop the shipment", Do: s.stopShipment, Undo: s.learnWhetherStopped, Attempts: persistent, Checkpoint: true},
			{Name: "give the promotion back", Do: s.freePromotion, Attempts: persistent},
		},
		Finish:  s.cancelStopped,
		Fail:    s.giveUpCancelling,
		Timeout: 24 * time.Hour,
	}
}

// Cancel implements orders.Service.
func (s *Service) Cancel(ctx context.Context, req orders.CancelRequest) (orders.Order, error) {
	return idempotency.Finish(ctx, s.keys, cancelWait+leaseSlack,
		func(ctx context.Context) (orders.Order, error) { return s.requestCancel(ctx, req.OrderID) },
		func(ctx context.Context, _ orders.Order) (orders.Order, error) {
			order, err := s.store.Get(ctx, req.OrderID)
			if err == nil && order.Cancelling != "" {
				order, err = s.after(ctx, order.Cancelling, cancelWait, order.ID)
			}
			switch {
			case err != nil:
				return orders.Order{}, err
			case order.Status == orders.Cancelled || order.Cancelling != "":
				return order.Order, nil
			}
			return orders.Order{}, notCancellable(order)
		})
}

// requestCancel leaves the wish in the order's row, where the checkout of a
// pending order finds it, and starts the cancellation of a confirmed one.
func (s *Service) requestCancel(ctx context.Context, id string) (orders.Order, error) {
	order, err := s.store.Lock(ctx, id)
	if err != nil {
		return orders.Order{}, err
	}
	if !port.PrincipalFrom(ctx).MayActFor(order.UserID) {
		return orders.Order{}, notFound(id)
	}
	switch {
	case order.Status == orders.Cancelled || order.Cancelling != "":
		return order.Order, nil
	case order.Status == orders.Pending:
		order.Cancelling = id // the checkout's
	case order.Status == orders.Confirmed:
		order.Cancelling = s.newID()
		if err := s.cancellations.Start(ctx, order.Cancelling, Cancellation{OrderID: id}); err != nil {
			return orders.Order{}, err
		}
	default:
		return orders.Order{}, notCancellable(order)
	}
	order.note(s.now(), "cancel requested")
	return order.Order, s.save(ctx, order)
}

func notCancellable(order *Order) error {
	if order.Status == orders.Confirmed {
		return orders.NotCancellable.Errorf("order %s is on its way already: it cannot be cancelled any more", order.Number)
	}
	return orders.NotCancellable.Errorf("order %s is %s: it cannot be cancelled any more", order.Number, order.Status)
}

func (s *Service) stopShipment(ctx context.Context, _ string, c *Cancellation) error {
	_, err := s.shipping.CancelForOrder(ctx, shipping.OrderRequest{OrderID: c.OrderID})
	c.Stopped = err == nil
	return err
}

// learnWhetherStopped asks once more: nobody else knows of a shipment that was stopped
// before it was made. Repeating it changes nothing. Where the first request never
// arrived this is the first, and the order is cancelled as its buyer wished.
func (s *Service) learnWhetherStopped(ctx context.Context, id string, c *Cancellation) error {
	if c.Stopped {
		return nil
	}
	if err := s.stopShipment(ctx, id, c); err != nil && !errors.Is(err, shipping.AlreadyDispatched) {
		return err
	}
	return nil
}

// freePromotion lets somebody else use the promotion of an order that will not
// be sent. An order without one has nothing to give back.
func (s *Service) freePromotion(ctx context.Context, _ string, c *Cancellation) error {
	order, err := s.store.Get(ctx, c.OrderID)
	if err != nil || order.PromoCode == "" {
		return err
	}
	_, err = s.pricing.ReleaseQuote(ctx, pricing.ReleaseQuoteRequest{Key: c.OrderID})
	return err
}

func (s *Service) cancelStopped(ctx context.Context, _ string, c *Cancellation) error {
	order, err := s.store.Lock(ctx, c.OrderID)
	if err != nil {
		return err
	}
	if order.Status == orders.Cancelled { // the event of the stopped shipment was faster
		return nil
	}
	if err := order.Cancel(orders.CancelRequested, s.now()); err != nil {
		return err
	}
	return s.save(ctx, order)
}

// giveUpCancelling ends a cancellation that cannot go on. Where nothing will be sent
// the order is cancelled all the same, and only the use of its promotion is lost.
// Shipping tells of no stop where there was no shipment yet, so nobody else would.
func (s *Service) giveUpCancelling(ctx context.Context, id string, c *Cancellation, _ *fault.Error) error {
	if c.Stopped {
		return s.cancelStopped(ctx, id, c)
	}
	return s.keepOrder(ctx, c)
}

// keepOrder withdraws the wish that came too late.
func (s *Service) keepOrder(ctx context.Context, c *Cancellation) error {
	order, err := s.store.Lock(ctx, c.OrderID)
	if err != nil || order.Cancelling == "" || order.Status == orders.Cancelled {
		return err
	}
	order.Cancelling = ""
	order.note(s.now(), "too late to cancel")
	return s.save(ctx, order)
}
