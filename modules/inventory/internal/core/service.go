package core

import (
	"context"
	"log/slog"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/modules/inventory"
)

// Store keeps stock, reservations and movements. Every write is made inside Atomic.
type Store interface {
	Atomic(ctx context.Context, fn func(ctx context.Context) error) error

	// Stock reads rows; LockStock also keeps others from changing them, and
	// takes the locks in the order of the SKUs.
	Stock(ctx context.Context, skus []string) ([]Stock, error)
	LockStock(ctx context.Context, skus []string) ([]Stock, error)
	// AddStock makes rows of nothing, of version 0, where there are none.
	AddStock(ctx context.Context, skus []string) error
	// PutOnHand sets on hand of known and unknown SKUs and gives the new rows.
	PutOnHand(ctx context.Context, levels []inventory.OnHand) ([]Stock, error)
	// Adjust adds to on hand and reserved of every line's SKU, where that keeps
	// both in bounds, and gives the rows that it changed. It takes the locks in the
	// order of the SKUs, so that two orders never wait for each other.
	Adjust(ctx context.Context, changes []Adjustment) ([]Stock, error)
	Move(ctx context.Context, moves []Movement) error

	// AtomicFirst is Atomic that begins with an order's first reservation. It is
	// ErrReserved, and nothing is done, where there is one.
	AtomicFirst(ctx context.Context, r inventory.Reservation, fn func(ctx context.Context) error) error
	// AddReservation tells whether it was new.
	AddReservation(ctx context.Context, r inventory.Reservation) (bool, error)
	Reservation(ctx context.Context, orderID string) (inventory.Reservation, bool, error)
	// Turn changes a reservation's status if it has one of the statuses in from,
	// and gives it as it was before.
	Turn(ctx context.Context, orderID, to string, from ...string) (inventory.Reservation, bool, error)
	// Overdue gives orders whose hold ended before now, oldest first.
	Overdue(ctx context.Context, now time.Time, limit int) ([]string, error)

	Ledger
}

// Events is where changes are announced.
type Events interface {
	Publish(ctx context.Context, events ...event.Event) error
}

// Service implements the contract.
type Service struct {
	store  Store
	events Events
	now    clock.Clock
	ttl    time.Duration // of a hold
	log    *slog.Logger
}

var _ inventory.Service = (*Service)(nil)

// New makes the service; ttl is how long a hold lasts, above zero.
func New(store Store, events Events, now clock.Clock, ttl time.Duration, log *slog.Logger) *Service {
	return &Service{store: store, events: events, now: now, ttl: ttl, log: log}
}

// publish announces the new levels; each row's version counts its changes.
func (s *Service) publish(ctx context.Context, rows []Stock) error {
	events := make([]event.Event, len(rows))
	for i, row := range rows {
		events[i] = inventory.Changed.New(row.SKU, row.Version, row.Level())
	}
	return s.events.Publish(ctx, events...)
}
