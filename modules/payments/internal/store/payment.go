package store

import (
	"context"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
)

type paymentRow struct {
	ID            string `gorm:"primaryKey"`
	OrderID       string
	Purpose       string
	UserID        string
	Status        string
	Amount        int64
	Currency      string
	Captured      int64
	Refunded      int64
	RefundPending int64
	VoidWanted    bool
	ChargeID      string
	Reason        string
	Version       int64
	Revision      int64
	CreatedAt     database.Time `gorm:"autoCreateTime:false"`
	UpdatedAt     database.Time `gorm:"autoUpdateTime:false"`
}

// TableName tells gorm where rows live.
func (paymentRow) TableName() string { return "payments" }

func (r paymentRow) payment() core.Payment {
	return core.Payment{
		ID: r.ID, OrderID: r.OrderID, Purpose: r.Purpose, UserID: r.UserID, Status: r.Status, Currency: r.Currency,
		Amount: r.Amount, Captured: r.Captured, Refunded: r.Refunded, RefundPending: r.RefundPending,
		VoidWanted: r.VoidWanted, ChargeID: r.ChargeID, Reason: r.Reason, Version: r.Version, Revision: r.Revision,
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
}

// Insert adds a payment; false when its order has one already.
func (s *Store) Insert(ctx context.Context, p core.Payment) (bool, error) {
	row := paymentRow{
		ID: p.ID, OrderID: p.OrderID, Purpose: p.Purpose, UserID: p.UserID, Status: p.Status, Currency: p.Currency,
		Amount: p.Amount, Captured: p.Captured, Refunded: p.Refunded, RefundPending: p.RefundPending,
		VoidWanted: p.VoidWanted, ChargeID: p.ChargeID, Reason: p.Reason, Version: p.Version, Revision: p.Revision,
		CreatedAt: database.At(p.CreatedAt), UpdatedAt: database.At(p.UpdatedAt),
	}
	done := s.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	return done.RowsAffected == 1, done.Error
}

// Update writes a payment if its revision is still the stored one, and raises it.
func (s *Store) Update(ctx context.Context, p *core.Payment) (bool, error) {
	done := s.db.Conn(ctx).Exec(`UPDATE payments SET status = ?, captured = ?, refunded = ?, refund_pending = ?, void_wanted = ?,
		charge_id = ?, reason = ?, version = ?, revision = revision + 1, updated_at = ? WHERE id = ? AND revision = ?`,
		p.Status, p.Captured, p.Refunded, p.RefundPending, p.VoidWanted,
		p.ChargeID, p.Reason, p.Version, database.At(p.UpdatedAt), p.ID, p.Revision)
	if done.Error != nil || done.RowsAffected == 0 {
		return false, done.Error
	}
	p.Revision++
	return true, nil
}

// ByID finds a payment.
func (s *Store) ByID(ctx context.Context, id string) (core.Payment, bool, error) {
	return s.one(ctx, clause.Eq{Column: "id", Value: id})
}

// ByOrder finds the payment of an order.
func (s *Store) ByOrder(ctx context.Context, orderID string) (core.Payment, bool, error) {
	return s.one(ctx, clause.Eq{Column: "order_id", Value: orderID})
}

func (s *Store) one(ctx context.Context, where clause.Expression) (core.Payment, bool, error) {
	var rows []paymentRow
	err := s.db.Conn(ctx).Clauses(clause.Where{Exprs: []clause.Expression{where}}).Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return core.Payment{}, false, err
	}
	return rows[0].payment(), true, nil
}

// Page gives payments by id, after the given one.
func (s *Store) Page(ctx context.Context, after string, limit int) ([]core.Payment, error) {
	var rows []paymentRow
	err := s.db.Conn(ctx).Where("id > ?", after).Order(clause.OrderByColumn{Column: clause.Column{Name: "id"}}).Limit(limit).Find(&rows).Error
	out := make([]core.Payment, len(rows))
	for i, r := range rows {
		out[i] = r.payment()
	}
	return out, err
}
