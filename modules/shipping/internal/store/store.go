// Package store keeps shipping's table: shipments.
package store

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/shipping/internal/core"
)

// Store implements core.Store on the module's database.
type Store struct{ *database.DB }

var _ core.Store = (*Store)(nil)

// New makes the store.
func New(db *database.DB) *Store { return &Store{db} }

type shipmentRow struct {
	ID             string `gorm:"primaryKey"`
	OrderID        string
	UserID         string
	Status         string
	Method         string
	Address        string // JSON
	Carrier        string
	TrackingNumber string
	Version        int64
	CreatedAt      database.Time
	DispatchedAt   *database.Time
	DeliveredAt    *database.Time
}

func (shipmentRow) TableName() string { return "shipments" }

// Shipment implements core.Store.
func (s *Store) Shipment(ctx context.Context, id string) (core.Shipment, bool, error) {
	return one(s.Conn(ctx).Where("id = ?", id))
}

// ByOrder implements core.Store.
func (s *Store) ByOrder(ctx context.Context, orderID string) (core.Shipment, bool, error) {
	return one(s.Conn(ctx).Where("order_id = ?", orderID))
}

// LockShipment implements core.Store.
func (s *Store) LockShipment(ctx context.Context, id string) (core.Shipment, bool, error) {
	return one(s.locked(ctx).Where("id = ?", id))
}

// LockByOrder implements core.Store.
func (s *Store) LockByOrder(ctx context.Context, orderID string) (core.Shipment, bool, error) {
	return one(s.locked(ctx).Where("order_id = ?", orderID))
}

// locked locks the rows that it reads. On SQLite the transaction is the lock.
func (s *Store) locked(ctx context.Context) *gorm.DB {
	if s.Dialect() == database.Postgres {
		return s.Conn(ctx).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return s.Conn(ctx)
}

func one(q *gorm.DB) (core.Shipment, bool, error) {
	var rows []shipmentRow
	if err := q.Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return core.Shipment{}, false, err
	}
	sh, err := rows[0].shipment()
	return sh, true, err
}

// Add implements core.Store.
func (s *Store) Add(ctx context.Context, sh core.Shipment) (bool, error) {
	row, err := toRow(sh)
	if err != nil {
		return false, err
	}
	tx := s.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return tx.RowsAffected == 1, tx.Error
}

// Update implements core.Store.
func (s *Store) Update(ctx context.Context, sh core.Shipment) error {
	return s.Conn(ctx).Model(&shipmentRow{}).Where("id = ?", sh.ID).Updates(map[string]any{
		"status": sh.Status, "carrier": sh.Carrier, "tracking_number": sh.TrackingNumber, "version": sh.Version,
		"dispatched_at": database.AtPtr(sh.DispatchedAt), "delivered_at": database.AtPtr(sh.DeliveredAt),
	}).Error
}

// Page implements core.Store.
func (s *Store) Page(ctx context.Context, after string, limit int) ([]core.Shipment, error) {
	var rows []shipmentRow
	if err := s.Conn(ctx).Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]core.Shipment, len(rows))
	for i, r := range rows {
		sh, err := r.shipment()
		if err != nil {
			return nil, err
		}
		out[i] = sh
	}
	return out, nil
}

func toRow(sh core.Shipment) (shipmentRow, error) {
	address, err := json.Marshal(sh.Address)
	if err != nil {
		return shipmentRow{}, fmt.Errorf("write address: %w", err)
	}
	return shipmentRow{
		ID: sh.ID, OrderID: sh.OrderID, UserID: sh.UserID, Status: sh.Status, Method: sh.Method, Address: string(address),
		Carrier: sh.Carrier, TrackingNumber: sh.TrackingNumber, Version: sh.Version, CreatedAt: database.At(sh.CreatedAt),
		DispatchedAt: database.AtPtr(sh.DispatchedAt), DeliveredAt: database.AtPtr(sh.DeliveredAt),
	}, nil
}

func (r shipmentRow) shipment() (core.Shipment, error) {
	sh := core.Shipment{Version: r.Version, Shipment: shipping.Shipment{
		ID: r.ID, OrderID: r.OrderID, UserID: r.UserID, Status: r.Status, Method: r.Method, Carrier: r.Carrier,
		TrackingNumber: r.TrackingNumber, CreatedAt: r.CreatedAt.Time,
		DispatchedAt: r.DispatchedAt.Ptr(), DeliveredAt: r.DeliveredAt.Ptr(),
	}}
	if err := json.Unmarshal([]byte(r.Address), &sh.Address); err != nil {
		return sh, fmt.Errorf("read the address of shipment %s: %w", r.ID, err)
	}
	return sh, nil
}
