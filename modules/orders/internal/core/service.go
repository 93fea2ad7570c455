// Package core holds the rules of the orders context: what an order is, how its
// checkout goes, and how it follows what shipping and payments tell.
//
// What does not belong here: SQL, HTTP, messages, and any rule of the neighbours
// that are called.
package core

import (
	"context"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/modules/cart"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/pricing"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Store keeps orders. Insert, Lock and Update need the transaction that ctx carries.
type Store interface {
	// Insert adds an order. That another one has its number may only show with the
	// error of the transaction.
	Insert(ctx context.Context, o *Order) error
	// NumberTaken tells whether a transaction failed because of the number of the order
	// that it inserted: one in 10^15 for each pair.
	NumberTaken(err error) bool
	// Get reads an order. Codes: OrderNotFound.
	Get(ctx context.Context, id string) (*Order, error)
	// Lock reads an order that nobody else changes until the transaction ends. Codes: OrderNotFound.
	Lock(ctx context.Context, id string) (*Order, error)
	// Update writes what can change of an order that the transaction has locked.
	Update(ctx context.Context, o *Order) error
	// List gives up to limit orders older than the one named before (empty: the
	// newest), newest first; of one user, or with an empty userID of all.
	List(ctx context.Context, userID, before string, limit int) ([]*Order, error)
	// AfterCommit runs fn when the transaction that ctx carries has committed.
	AfterCommit(ctx context.Context, fn func())
}

// Publisher records events in the transaction that ctx carries.
type Publisher interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Deps are what the rules need.
type Deps struct {
	Store    Store
	Events   Publisher
	Sagas    *saga.Engine
	Keys     *idempotency.Keys
	Now      clock.Clock
	NewID    id.Source
	Currency string
	// Decided is told of each order that is confirmed, rejected or cancelled, and
	// how long after it was placed; nil where nobody counts.
	Decided func(o orders.Order, after time.Duration)

	Cart      cart.Service
	Pricing   pricing.Service
	Inventory inventory.Service
	Payments  payments.Service
	Shipping  shipping.Service
	Wallet    wallet.Service
}

// Service answers the contract.
type Service struct {
	store    Store
	events   Publisher
	keys     *idempotency.Keys
	now      clock.Clock
	newID    id.Source
	currency string
	decided  func(orders.Order, time.Duration)
	sagas    *saga.Engine

	cart      cart.Service
	pricing   pricing.Service
	inventory inventory.Service
	payments  payments.Service
	shipping  shipping.Service
	wallet    wallet.Service

	checkouts     *saga.Saga[Checkout]
	emptyings     *saga.Saga[Emptying]
	cancellations *saga.Saga[Cancellation]
}

var _ orders.Service = (*Service)(nil)

// NewService joins the rules and registers the sagas.
func NewService(d Deps) *Service {
	s := &Service{
		store: d.Store, events: d.Events, keys: d.Keys, now: d.Now, newID: d.NewID, currency: d.Currency,
		decided: d.Decided, sagas: d.Sagas,
		cart: d.Cart, pricing: d.Pricing, inventory: d.Inventory, payments: d.Payments, shipping: d.Shipping, wallet: d.Wallet,
	}
	s.checkouts = saga.Register(d.Sagas, s.checkout())
	s.emptyings = saga.Register(d.Sagas, s.emptyingCart())
	s.cancellations = saga.Register(d.Sagas, s.cancellation())
	return s
}

// save writes a changed order with its events.
func (s *Service) save(ctx context.Context, o *Order) error {
	if err := s.store.Update(ctx, o); err != nil {
		return err
	}
	return s.tell(ctx, o)
}

func (s *Service) tell(ctx context.Context, o *Order) error {
	if err := s.events.Publish(ctx, o.events...); err != nil {
		return err
	}
	first := len(o.events) > 0 && o.Version == int64(len(o.events))
	o.events = nil
	if s.decided != nil && first {
		s.store.AfterCommit(ctx, func() { s.decided(o.Order, o.UpdatedAt.Sub(o.CreatedAt)) })
	}
	return nil
}
