package wallet

import (
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/money"
)

// Topic of the events about one wallet; the aggregate is its owner's id. Every
// event of a wallet's stream is published with the version it has there.
const Topic = "wallet.wallet"

// Changed says what happened to a wallet and how it stands after it.
type Changed struct {
	UserID    string      `json:"user_id"`
	Reference string      `json:"reference,omitempty"` // the order, deposit or withdrawal that it is about
	Amount    money.Money `json:"amount"`
	Balance   money.Money `json:"balance"`
	Available money.Money `json:"available"`
}

// What is published about a wallet. Opened comes first, in every stream.
var (
	WasOpened     = event.Define[Changed](Topic, "wallet.opened")
	WasDeposited  = event.Define[Changed](Topic, "wallet.deposited")
	WasWithdrawn  = event.Define[Changed](Topic, "wallet.withdrawn")
	WasHeld       = event.Define[Changed](Topic, "wallet.held")
	HoldCaptured  = event.Define[Changed](Topic, "wallet.hold_captured")
	HoldFreed     = event.Define[Changed](Topic, "wallet.hold_released")
	WasRefunded   = event.Define[Changed](Topic, "wallet.refunded")
	CashbackGiven = event.Define[Changed](Topic, "wallet.cashback")
)

// Events lists what is published.
func Events() []event.Described {
	return []event.Described{WasOpened, WasDeposited, WasWithdrawn, WasHeld, HoldCaptured, HoldFreed, WasRefunded, CashbackGiven}
}
