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
	Token  string      `json:"token" minLength:"1" maxLength:"200" example:"tok_visa" doc:"the provider's name for the card; of the sandbox: tok_visa is approved; tok_declined and tok_insufficient_funds are declined; tok_error fails always; tok_flaky fails twice and is approved then; tok_slow is approved after 3 seconds; tok_lost_reply is charged, but the reply is lost"`
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
