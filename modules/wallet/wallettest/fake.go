package wallettest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/modules/wallet"
)

// Fake keeps wallets in memory, in US dollars, and charges nobody. Of the sandbox's
// cards it knows those that decline and tok_error; all others approve. A function
// field, if set, answers instead. Safe for concurrent use.
type Fake struct {
	DepositFunc func(context.Context, wallet.DepositRequest) (wallet.Deposit, error)
	HoldFunc    func(context.Context, wallet.HoldRequest) (wallet.Hold, error)
	ReleaseFunc func(context.Context, wallet.ReleaseRequest) (wallet.ReleaseReply, error)

	mu      sync.Mutex
	streams map[string][]wallet.Entry // by user
	holds   map[string]*wallet.Hold
	earned  map[string]bool // orders that brought cashback
	answers map[string]answer
}

type answer struct {
	fingerprint string
	reply       any
	err         error
}

var _ wallet.Service = (*Fake)(nil)

// NewFake makes a fake without wallets.
func NewFake() *Fake {
	return &Fake{streams: map[string][]wallet.Entry{}, holds: map[string]*wallet.Hold{}, earned: map[string]bool{}, answers: map[string]answer{}}
}

// Harness is the fake as the conformance suite wants it.
func (f *Fake) Harness() Harness {
	return Harness{
		Service:  f,
		Dispatch: func(_ *testing.T, orderID string) { f.Dispatch(orderID) },
		Cancel:   func(_ *testing.T, orderID, _ string) { f.Cancel(orderID) },
		Deliver: func(_ *testing.T, orderID, userID string, total money.Money) {
			f.Deliver(orderID, userID, total)
		},
		Charges: func(_ *testing.T, _ string) []string { return []string{"captured"} },
	}
}

// Fund puts money into a wallet.
func (f *Fake) Fund(userID string, cents int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.append(userID, wallet.WasDeposited.Name(), id.V7(), cents, cents, cents)
}

// Room refuses what a wallet would not take.
func (f *Fake) Room(_ context.Context, userID string, amount money.Money) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.room(userID, amount)
}

func (f *Fake) room(userID string, amount money.Money) error {
	if balanceOf(f.streams[userID]).Balance.Amount > wallet.MaxBalance-amount.Amount {
		return wallet.LimitExceeded.Errorf("a wallet takes no more than that")
	}
	return nil
}

// Credit adds a deposit once.
func (f *Fake) Credit(_ context.Context, userID, depositID string, amount money.Money) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.streams[userID] {
		if e.Reference == depositID {
			return nil
		}
	}
	if err := f.room(userID, amount); err != nil {
		return err
	}
	f.append(userID, wallet.WasDeposited.Name(), depositID, amount.Amount, amount.Amount, amount.Amount)
	return nil
}

// Dispatch makes an order's goods leave.
func (f *Fake) Dispatch(orderID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.holds[orderID]; h != nil && h.Status == wallet.Held {
		f.turn(h, wallet.Captured, wallet.HoldCaptured.Name(), -h.Amount.Amount, 0)
	}
}

// Cancel cancels an order.
func (f *Fake) Cancel(orderID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.release(f.holds[orderID])
}

// Deliver hands an order's parcel over.
func (f *Fake) Deliver(orderID, userID string, total money.Money) {
	f.mu.Lock()
	defer f.mu.Unlock()
	back, err := total.Percent(wallet.CashbackPercent)
	if err == nil && back.Amount > 0 && !f.earned[orderID] {
		f.earned[orderID] = true
		f.append(userID, wallet.CashbackGiven.Name(), orderID, back.Amount, back.Amount, back.Amount)
	}
}

// append adds an event that moves balance and available money.
func (f *Fake) append(userID, name, reference string, amount, balance, available int64) time.Time {
	now := clock.System()
	s := f.streams[userID]
	if len(s) == 0 {
		s = append(s, wallet.Entry{Version: 1, Type: "opened", At: now, Amount: USD(0), Balance: USD(0), Available: USD(0)})
	}
	last := s[len(s)-1]
	if now.Before(last.At) {
		now = last.At
	}
	f.streams[userID] = append(s, wallet.Entry{
		Version: last.Version + 1, Type: name[len("wallet."):], At: now, Amount: USD(amount),
		Balance: USD(last.Balance.Amount + balance), Available: USD(last.Available.Amount + available), Reference: reference,
	})
	return now
}

func (f *Fake) turn(h *wallet.Hold, status, name string, balance, available int64) {
	h.Status = status
	h.UpdatedAt = f.append(h.UserID, name, h.OrderID, h.Amount.Amount, balance, available)
}

func (f *Fake) release(h *wallet.Hold) {
	switch {
	case h == nil:
	case h.Status == wallet.Held:
		f.turn(h, wallet.Released, wallet.HoldFreed.Name(), 0, h.Amount.Amount)
	case h.Status == wallet.Captured:
		f.turn(h, wallet.Refunded, wallet.WasRefunded.Name(), h.Amount.Amount, h.Amount.Amount)
	}
}

func balanceOf(stream []wallet.Entry) wallet.Balance {
	if len(stream) == 0 {
		return wallet.Balance{Balance: USD(0), Available: USD(0)}
	}
	last := stream[len(stream)-1]
	return wallet.Balance{Balance: last.Balance, Available: last.Available, Version: last.Version}
}

func allowed(ctx context.Context, userID string) error {
	if userID == "" || !port.PrincipalFrom(ctx).MayActFor(userID) {
		return fault.Forbidden.Errorf("a wallet is its owner's only")
	}
	return nil
}

func checkAmount(m money.Money) error {
	if m.Amount < 1 || m.Amount > wallet.MaxAmount || m.Currency != "USD" {
		return wallet.InvalidRequest.Errorf("no such amount").WithField("/amount", "give 1 to 100000000 cents of USD")
	}
	return nil
}

// once answers a keyed command from memory the second time.
func once[Rep any](ctx context.Context, f *Fake, fn func() (Rep, error)) (Rep, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := port.IdempotencyKeyFrom(ctx)
	if key.IsZero() {
		return fn()
	}
	name := key.Scope + "\n" + key.Key
	if known, ok := f.answers[name]; ok {
		var none Rep
		if known.fingerprint != key.Fingerprint {
			return none, idempotency.Reused.Errorf("the key was used for another request: use a fresh one")
		}
		port.MarkReplayed(ctx)
		rep, _ := known.reply.(Rep)
		return rep, known.err
	}
	rep, err := fn()
	if err == nil || !fault.Retryable(err) {
		f.answers[name] = answer{key.Fingerprint, rep, err}
	}
	return rep, err
}
