package wallethttp

import (
	"context"

	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/web"
	"github.com/banyan-tree/banyan/modules/wallet"
)

type depositInput struct {
	Body depositBody `body:""`
}

type depositBody struct {
	Amount money.Money `json:"amount" doc:"1 to 100,000,000 in minor units of the store's currency"`
	Token  string      `json:"token" minLength:"1" maxLength:"200" doc:"the provider's name for the card"`
}

func (d Deps) deposit(ctx context.Context, in depositInput) (web.Reply[wallet.Deposit], error) {
	made, err := d.Wallet.Deposit(ctx, wallet.DepositRequest{UserID: own(ctx), Amount: in.Body.Amount, Token: in.Body.Token})
	return web.Created("", made), err
}

type withdrawInput struct {
	Body withdrawBody `body:""`
}

type withdrawBody struct {
	Amount money.Money `json:"amount" doc:"1 to 100,000,000 in minor units of the store's currency"`
}

func (d Deps) withdraw(ctx context.Context, in withdrawInput) (web.Reply[wallet.Withdrawal], error) {
	made, err := d.Wallet.Withdraw(ctx, wallet.WithdrawRequest{UserID: own(ctx), Amount: in.Body.Amount})
	return web.Created("", made), err
}
