// Package store keeps wallets: their streams in the event store, the holds of
// orders, deposits, and the projections that statements are read from.
package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
)

// Store implements core.Store.
type Store struct {
	*database.DB
	streams *eventstore.Store
	feed    *eventstore.Feed
}

var _ core.Store = (*Store)(nil)

// New makes the store over the streams of the module that owns db, with a feed
// that brings them to the projections.
func New(db *database.DB, streams *eventstore.Store, options ...eventstore.FeedOption) *Store {
	s := &Store{DB: db, streams: streams}
	s.feed = eventstore.NewFeed(streams, s.projections(), options...)
	return s
}

// Feed brings the streams to the projections.
func (s *Store) Feed() *eventstore.Feed { return s.feed }

// Read implements core.Store.
func (s *Store) Read(ctx context.Context, userID string, after int64, limit int) ([]eventstore.Recorded, error) {
	return s.streams.Read(ctx, userID, after, limit)
}

// Streams implements core.Books.
func (s *Store) Streams(ctx context.Context, after string, limit int) ([]string, error) {
	return s.streams.Streams(ctx, after, limit)
}

type holdRow struct {
	OrderID   string `gorm:"primaryKey"`
	UserID    string
	Amount    int64
	Status    string
	UpdatedAt database.Time `gorm:"autoUpdateTime:false"`
}

// TableName tells gorm where holds live.
func (holdRow) TableName() string { return "holds" }

func (r holdRow) hold() core.Hold {
	return core.Hold{OrderID: r.OrderID, UserID: r.UserID, Amount: r.Amount, Status: r.Status, UpdatedAt: r.UpdatedAt.Time}
}

// AddHold implements core.Store.
func (s *Store) AddHold(ctx context.Context, h core.Hold) (bool, error) {
	tx := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&holdRow{
		OrderID: h.OrderID, UserID: h.UserID, Amount: h.Amount, Status: h.Status, UpdatedAt: database.At(h.UpdatedAt),
	})
	if tx.Error != nil {
		return false, fmt.Errorf("record the hold of order %s: %w", h.OrderID, tx.Error)
	}
	return tx.RowsAffected == 1, nil
}

// Hold implements core.Store.
func (s *Store) Hold(ctx context.Context, orderID string) (core.Hold, bool, error) {
	return s.hold(ctx, orderID, false)
}

// LockHold implements core.Store. On SQLite the transaction is the lock.
func (s *Store) LockHold(ctx context.Context, orderID string) (core.Hold, bool, error) {
	return s.hold(ctx, orderID, s.Dialect() == database.Postgres)
}

func (s *Store) hold(ctx context.Context, orderID string, lock bool) (core.Hold, bool, error) {
	q := s.Conn(ctx).Where("order_id = ?", orderID).Limit(1)
	if lock {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	var rows []holdRow
	if err := q.Find(&rows).Error; err != nil {
		return core.Hold{}, false, fmt.Errorf("read the hold of order %s: %w", orderID, err)
	}
	if len(rows) == 0 {
		return core.Hold{}, false, nil
	}
	return rows[0].hold(), true, nil
}

// TurnHold implements core.Store.
func (s *Store) TurnHold(ctx context.Context, orderID, status string, at time.Time) error {
	err := s.Conn(ctx).Model(&holdRow{}).Where("order_id = ?", orderID).
		Updates(map[string]any{"status": status, "updated_at": database.At(at)}).Error
	if err != nil {
		return fmt.Errorf("turn the hold of order %s: %w", orderID, err)
	}
	return nil
}

// OpenHolds implements core.Books.
func (s *Store) OpenHolds(ctx context.Context, users []string) (map[string][]core.OpenHold, error) {
	var rows []holdRow
	if err := s.Conn(ctx).Where("user_id IN ? AND status = ?", users, wallet.Held).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read open holds: %w", err)
	}
	holds := map[string][]core.OpenHold{}
	for _, r := range rows {
		holds[r.UserID] = append(holds[r.UserID], core.OpenHold{OrderID: r.OrderID, Amount: r.Amount})
	}
	for _, of := range holds {
		slices.SortFunc(of, func(a, b core.OpenHold) int { return strings.Compare(a.OrderID, b.OrderID) }) // as an account has them
	}
	return holds, nil
}

// Known implements core.Books.
func (s *Store) Known(ctx context.Context, users []string) (map[string]bool, error) {
	return s.streams.Known(ctx, users)
}
