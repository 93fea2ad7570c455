package core

import (
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// What can happen to a wallet, as it is stored for ever. Amounts are in minor
// units of the wallet's currency and above zero.
type (
	// Opened is the first event of every wallet.
	Opened struct {
		Currency string `json:"currency"`
	}
	// Deposited came from a card.
	Deposited struct {
		DepositID string `json:"deposit_id"`
		Amount    int64  `json:"amount"`
	}
	// Withdrawn left the wallet.
	Withdrawn struct {
		WithdrawalID string `json:"withdrawal_id"`
		Amount       int64  `json:"amount"`
	}
	// Held is set aside for an order.
	Held struct {
		OrderID string `json:"order_id"`
		Amount  int64  `json:"amount"`
	}
	// HoldCaptured is what an order took of its hold: all of it.
	HoldCaptured struct {
		OrderID string `json:"order_id"`
		Amount  int64  `json:"amount"`
	}
	// HoldReleased is free again.
	HoldReleased struct {
		OrderID string `json:"order_id"`
		Amount  int64  `json:"amount"`
	}
	// Refunded came back from an order that had captured it.
	Refunded struct {
		OrderID string `json:"order_id"`
		Amount  int64  `json:"amount"`
	}
	// Earned is the cashback of a delivered order.
	Earned struct {
		OrderID string `json:"order_id"`
		Amount  int64  `json:"amount"`
	}
)

// Events are the kinds of events under the names that they are stored by, which
// are those that they are published by. Names never change, Go types may.
func Events() (*eventstore.Registry, error) {
	return eventstore.NewRegistry(
		eventstore.Type[Opened](wallet.WasOpened.Name()),
		eventstore.Type[Deposited](wallet.WasDeposited.Name()),
		eventstore.Type[Withdrawn](wallet.WasWithdrawn.Name()),
		eventstore.Type[Held](wallet.WasHeld.Name()),
		eventstore.Type[HoldCaptured](wallet.HoldCaptured.Name()),
		eventstore.Type[HoldReleased](wallet.HoldFreed.Name()),
		eventstore.Type[Refunded](wallet.WasRefunded.Name()),
		eventstore.Type[Earned](wallet.CashbackGiven.Name()),
	)
}
