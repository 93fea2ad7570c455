// Package store keeps what the wallets have beside their streams. It touches no
// other tables and decides nothing.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
)

// Deposits keeps deposits in the table deposits.
type Deposits struct{ *database.DB }

var _ core.DepositStore = Deposits{}

type depositRow struct {
	ID        string `gorm:"primaryKey"`
	UserID    string
	Amount    int64
	Currency  string
	Status    string
	Reason    string
	PaymentID string
	CreatedAt database.Time `gorm:"autoCreateTime:false"`
	UpdatedAt database.Time `gorm:"autoUpdateTime:false"`
}

// TableName tells gorm where rows live.
func (depositRow) TableName() string { return "deposits" }

func (r depositRow) deposit() core.Deposit {
	return core.Deposit{
		ID: r.ID, UserID: r.UserID, Amount: money.Of(r.Amount, r.Currency), Status: r.Status, Reason: r.Reason,
		PaymentID: r.PaymentID, CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
}

// Insert adds a deposit.
func (s Deposits) Insert(ctx context.Context, d core.Deposit) error {
	row := depositRow{
		ID: d.ID, UserID: d.UserID, Amount: d.Amount.Amount, Currency: d.Amount.Currency, Status: d.Status, Reason: d.Reason,
		PaymentID: d.PaymentID, CreatedAt: database.At(d.CreatedAt), UpdatedAt: database.At(d.UpdatedAt),
	}
	if err := s.Conn(ctx).Create(&row).Error; err != nil {
		return fmt.Errorf("record deposit %s: %w", d.ID, err)
	}
	return nil
}

// Get reads a deposit.
func (s Deposits) Get(ctx context.Context, id string) (core.Deposit, error) {
	var r depositRow
	err := s.Conn(ctx).Where("id = ?", id).Take(&r).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return core.Deposit{}, fault.NotFound.Errorf("there is no deposit %s", id)
	}
	if err != nil {
		return core.Deposit{}, fmt.Errorf("read deposit %s: %w", id, err)
	}
	return r.deposit(), nil
}

// Settle ends a pending deposit; false when it was ended already.
func (s Deposits) Settle(ctx context.Context, id, status, reason, paymentID string, at time.Time) (bool, error) {
	done := s.Conn(ctx).Exec(`UPDATE deposits SET status = ?, reason = ?, payment_id = ?, updated_at = ? WHERE id = ? AND status = 'pending'`,
		status, reason, paymentID, database.At(at), id)
	if done.Error != nil {
		return false, fmt.Errorf("settle deposit %s: %w", id, done.Error)
	}
	return done.RowsAffected == 1, nil
}

// Credited is what was credited to wallets by deposits.
func (s Deposits) Credited(ctx context.Context, users []string) (map[string]int64, error) {
	var sums []struct {
		UserID string
		Amount int64
	}
	err := s.Conn(ctx).Raw(`SELECT user_id, CAST(SUM(amount) AS bigint) AS amount FROM deposits
		WHERE user_id IN ? AND status = 'credited' GROUP BY user_id`, users).Scan(&sums).Error
	if err != nil {
		return nil, fmt.Errorf("add up deposits: %w", err)
	}
	credited := make(map[string]int64, len(sums))
	for _, sum := range sums {
		credited[sum.UserID] = sum.Amount
	}
	return credited, nil
}

// Page gives deposits by id, after the given one.
func (s Deposits) Page(ctx context.Context, after string, limit int) ([]core.Deposit, error) {
	var rows []depositRow
	if err := s.Conn(ctx).Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list deposits: %w", err)
	}
	list := make([]core.Deposit, len(rows))
	for i, r := range rows {
		list[i] = r.deposit()
	}
	return list, nil
}
