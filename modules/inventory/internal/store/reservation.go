package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/inventory"
	"github.com/banyan-tree/banyan/modules/inventory/internal/core"
)

type reservationRow struct {
	OrderID   string `gorm:"primaryKey"`
	Status    string
	Lines     string // JSON
	ExpiresAt database.Time
	CreatedAt database.Time
	UpdatedAt database.Time
}

func (reservationRow) TableName() string { return "reservations" }

// AtomicFirst implements core.Store. The reservation is sent with what fn does
// first: nearly always it is the first one indeed.
func (s *Store) AtomicFirst(ctx context.Context, r inventory.Reservation, fn func(ctx context.Context) error) error {
	row, err := s.rowOf(r)
	if err != nil {
		return err
	}
	err = s.Atomic(ctx, func(ctx context.Context) error {
		if err := s.Later(ctx).Create(row).Error; err != nil {
			return fmt.Errorf("add reservation: %w", err)
		}
		return fn(ctx)
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("%w: %w", core.ErrReserved, err)
	}
	return err
}

// AddReservation implements core.Store.
func (s *Store) AddReservation(ctx context.Context, r inventory.Reservation) (bool, error) {
	row, err := s.rowOf(r)
	if err != nil {
		return false, err
	}
	tx := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(row)
	return tx.RowsAffected == 1, tx.Error
}

func (s *Store) rowOf(r inventory.Reservation) (*reservationRow, error) {
	lines, err := json.Marshal(r.Lines)
	if err != nil {
		return nil, fmt.Errorf("write lines: %w", err)
	}
	now := database.At(s.now())
	return &reservationRow{
		OrderID: r.OrderID, Status: r.Status, Lines: string(lines), ExpiresAt: database.At(r.ExpiresAt), CreatedAt: now, UpdatedAt: now,
	}, nil
}

// Reservation implements core.Store.
func (s *Store) Reservation(ctx context.Context, orderID string) (inventory.Reservation, bool, error) {
	var rows []reservationRow
	if err := s.Conn(ctx).Where("order_id = ?", orderID).Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return inventory.Reservation{}, false, err
	}
	r, err := rows[0].reservation()
	return r, true, err
}

// Turn implements core.Store. From one status it is one statement; else, and
// where something is in the way, the row is locked first, so that what it gives is
// what it changed.
func (s *Store) Turn(ctx context.Context, orderID, to string, from ...string) (inventory.Reservation, bool, error) {
	var rows []reservationRow
	if len(from) == 1 {
		err := s.Conn(ctx).Raw(`UPDATE reservations SET status = ?, updated_at = ? WHERE order_id = ? AND status = ? RETURNING *`,
			to, database.At(s.now()), orderID, from[0]).Scan(&rows).Error
		if err != nil {
			return inventory.Reservation{}, false, err
		}
		if len(rows) == 1 {
			was, err := rows[0].reservation()
			was.Status = from[0]
			return was, true, err
		}
	}
	q := s.Conn(ctx).Where("order_id = ?", orderID).Limit(1)
	if s.Dialect() == database.Postgres {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	if err := q.Find(&rows).Error; err != nil || len(rows) == 0 {
		return inventory.Reservation{}, false, err
	}
	was, err := rows[0].reservation()
	if err != nil || !slices.Contains(from, was.Status) {
		return was, false, err
	}
	tx := s.Conn(ctx).Model(&reservationRow{}).Where("order_id = ? AND status IN ?", orderID, from).
		Updates(map[string]any{"status": to, "updated_at": database.At(s.now())})
	return was, tx.RowsAffected == 1, tx.Error
}

// Overdue implements core.Store.
func (s *Store) Overdue(ctx context.Context, now time.Time, limit int) ([]string, error) {
	var ids []string
	err := s.Conn(ctx).Model(&reservationRow{}).Where("status = ? AND expires_at <= ?", inventory.Held, database.At(now)).
		Order("expires_at").Limit(limit).Pluck("order_id", &ids).Error
	return ids, err
}

func (r reservationRow) reservation() (inventory.Reservation, error) {
	out := inventory.Reservation{OrderID: r.OrderID, Status: r.Status, ExpiresAt: r.ExpiresAt.Time}
	if err := json.Unmarshal([]byte(r.Lines), &out.Lines); err != nil {
		return out, fmt.Errorf("read the lines of order %s: %w", r.OrderID, err)
	}
	return out, nil
}
