package store

import (
	"encoding/json"
	"fmt"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/orders/internal/core"
)

// row is an order as it is stored. Amounts are minor units of its currency;
// lines, address and history are JSON.
type row struct {
	ID              string `gorm:"primaryKey"`
	Number          string
	UserID          string
	Status          string
	Reason          string
	Version         int64
	Lines           string
	Currency        string
	Subtotal        int64
	Discount        int64
	Shipping        int64
	Tax             int64
	Total           int64
	Refunded        int64
	WeightGrams     int64
	ShippingAddress string
	ShippingMethod  string
	PromoCode       string
	PaymentMethod   string
	PaymentID       string
	ShipmentID      string
	Cancelling      string
	DeliveredEarly  bool
	History         string
	CreatedAt       database.Time
	UpdatedAt       database.Time
}

// TableName tells gorm where rows live.
func (row) TableName() string { return "orders" }

func rowOf(o *core.Order) (row, error) {
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return row{}, fmt.Errorf("write lines: %w", err)
	}
	address, err := json.Marshal(o.ShippingAddress)
	if err != nil {
		return row{}, fmt.Errorf("write address: %w", err)
	}
	history, err := json.Marshal(o.History)
	if err != nil {
		return row{}, fmt.Errorf("write history: %w", err)
	}
	return row{
		ID: o.ID, Number: o.Number, UserID: o.UserID, Status: o.Status, Reason: o.Reason, Version: o.Version,
		Lines: string(lines), Currency: o.Totals.Total.Currency,
		Subtotal: o.Totals.Subtotal.Amount, Discount: o.Totals.Discount.Amount, Shipping: o.Totals.Shipping.Amount,
		Tax: o.Totals.Tax.Amount, Total: o.Totals.Total.Amount, Refunded: o.Refunded.Amount, WeightGrams: o.WeightGrams,
		ShippingAddress: string(address), ShippingMethod: o.ShippingMethod, PromoCode: o.PromoCode,
		PaymentMethod: o.PaymentMethod, PaymentID: o.PaymentID, ShipmentID: o.ShipmentID,
		Cancelling: o.Cancelling, DeliveredEarly: o.DeliveredEarly, History: string(history),
		CreatedAt: database.At(o.CreatedAt), UpdatedAt: database.At(o.UpdatedAt),
	}, nil
}

func (r row) order() (*core.Order, error) {
	in := func(amount int64) money.Money { return money.Of(amount, r.Currency) }
	o := &core.Order{
		Order: orders.Order{
			ID: r.ID, Number: r.Number, UserID: r.UserID, Status: r.Status, Reason: r.Reason,
			Totals: orders.Totals{
				Subtotal: in(r.Subtotal), Discount: in(r.Discount), Shipping: in(r.Shipping), Tax: in(r.Tax), Total: in(r.Total),
			},
			ShippingMethod: r.ShippingMethod, PromoCode: r.PromoCode,
			PaymentMethod: r.PaymentMethod, PaymentID: r.PaymentID, ShipmentID: r.ShipmentID, CreatedAt: r.CreatedAt.Time,
		},
		Version: r.Version, WeightGrams: r.WeightGrams, Refunded: in(r.Refunded),
		Cancelling: r.Cancelling, DeliveredEarly: r.DeliveredEarly, UpdatedAt: r.UpdatedAt.Time,
	}
	for _, part := range []struct {
		name, from string
		to         any
	}{{"lines", r.Lines, &o.Lines}, {"address", r.ShippingAddress, &o.ShippingAddress}, {"history", r.History, &o.History}} {
		if err := json.Unmarshal([]byte(part.from), part.to); err != nil {
			return nil, fmt.Errorf("read the %s of order %s: %w", part.name, r.ID, err)
		}
	}
	return o, nil
}
