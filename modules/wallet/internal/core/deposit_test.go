package core_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/idempotency"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/saga"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
	"github.com/banyan-tree/banyan/modules/wallet/internal/store"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

const lease = time.Second

// world is what deposits stand between.
type world struct {
	db       *database.DB
	payments *paymentstest.Fake
	wallets  *wallettest.Fake
}

// process is deposits of one process, beside the other methods of wallets.
type process struct {
	*wallettest.Fake
	deposits  *core.Deposits
	stop, end func()
}

func (p *process) Deposit(ctx context.Context, req wallet.DepositRequest) (wallet.Deposit, error) {
	return p.deposits.Deposit(ctx, req)
}

// onEach runs test on every dialect.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	testenv.Each(t, func(t *testing.T, db *database.DB) {
		require.NoError(t, db.Migrate(t.Context(), migrations.Of("wallet"), saga.Migrations(), idempotency.Migrations()))
		test(t, &world{db: db, payments: paymentstest.NewFake(), wallets: wallettest.NewFake()})
	})
}

// start runs a process over wallets, or over something that stands before them.
func (w *world) start(t *testing.T, wallets core.Wallets) *process {
	t.Helper()
	sagas := saga.NewEngine(w.db, clock.System, slog.New(slog.DiscardHandler), saga.Lease(lease))
	p := &process{Fake: w.wallets, deposits: core.NewDeposits(core.DepositDeps{
		Store: store.Deposits{DB: w.db}, Wallets: wallets, Payments: w.payments, Sagas: sagas,
		Keys: idempotency.New(w.db, clock.System), Now: clock.System, NewID: id.V7, Currency: "USD",
	})}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := sagas.Task().Run(ctx); err != nil {
			t.Error(err)
		}
	})
	p.stop, p.end = cancel, running.Wait
	t.Cleanup(func() { cancel(); running.Wait() })
	return p
}

// charges gives the statuses of a deposit's charges.
func (w *world) charges(t *testing.T, depositID string) []string {
	t.Helper()
	p, err := w.payments.ByDeposit(wallettest.Shop(t.Context()), payments.DepositRequest{DepositID: depositID})
	if errors.Is(err, payments.PaymentNotFound) || p.Status == payments.DeclinedBy {
		return nil
	}
	require.NoError(t, err)
	return []string{p.Status}
}

// deposits gives the ids of a user's deposits.
func (w *world) deposits(t *testing.T, user string) (ids []string) {
	t.Helper()
	list, err := store.Deposits{DB: w.db}.Page(t.Context(), "", 10)
	require.NoError(t, err)
	for _, d := range list {
		if d.UserID == user {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// only gives the one deposit there is.
func (w *world) only(t *testing.T) core.Deposit {
	t.Helper()
	list, err := store.Deposits{DB: w.db}.Page(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

func (w *world) balance(t *testing.T, user string) int64 {
	t.Helper()
	b, err := w.wallets.Balance(wallettest.Customer(t.Context(), user), wallet.BalanceRequest{UserID: user})
	require.NoError(t, err)
	return b.Balance.Amount
}

func TestDepositsConform(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		p := w.start(t, w.wallets)
		porttest.Ways(t, func(s *port.Server) { wallet.Serve(s, p) }, func(t *testing.T, conn *port.Conn) {
			wallettest.ExerciseDeposits(t, wallettest.Harness{Service: wallet.NewClient(conn), Charges: w.charges})
		})
	})
}

// A process that ends between the capture and the credit leaves both to the next
// one: the card is charged once, and the wallet credited once.
func TestCrashBetweenChargeAndCredit(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		captured, gone := make(chan struct{}), make(chan struct{})
		captures := 0
		w.payments.CaptureFunc = func(ctx context.Context, req payments.DepositRequest) (payments.Payment, error) {
			if captures++; captures == 1 {
				w.payments.Capture(req.DepositID)
				close(captured)
				<-gone
				return payments.Payment{}, ctx.Err()
			}
			return w.payments.ByDeposit(ctx, req)
		}
		first := w.start(t, w.wallets)
		user := id.V7()
		key := wallettest.Keyed(wallettest.Customer(t.Context(), user), "k", "1")
		req := wallet.DepositRequest{UserID: user, Amount: wallettest.USD(2500), Token: "tok_visa"}
		answered := make(chan error, 1)
		go func() {
			_, err := first.Deposit(key, req)
			answered <- err
		}()
		<-captured
		first.stop()
		close(gone)
		first.end()
		require.Zero(t, w.balance(t, user))
		d := w.only(t)
		require.Equal(t, core.DepositPending, d.Status)
		require.Equal(t, []string{payments.Captured}, w.charges(t, d.ID))

		second := w.start(t, w.wallets)
		require.NoError(t, <-answered, "who waited is told by the other process")
		again, err := second.Deposit(key, req)
		require.NoError(t, err)
		require.Equal(t, d.ID, again.ID)
		require.Equal(t, int64(2500), w.balance(t, user))
		require.Equal(t, []string{payments.Captured}, w.charges(t, d.ID))
	})
}

// late is a wallet that turns out to be full when the money is there, or that
// cannot be reached at first.
type late struct {
	core.Wallets
	errs []error
}

func (l *late) Credit(ctx context.Context, userID, depositID string, amount money.Money) error {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return err
	}
	return l.Wallets.Credit(ctx, userID, depositID, amount)
}

// What was captured and cannot be credited goes back to the card.
func TestWhatCannotBeCreditedIsGivenBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		p := w.start(t, &late{w.wallets, []error{wallet.LimitExceeded.Errorf("full")}})
		user := id.V7()
		key := wallettest.Keyed(wallettest.Customer(t.Context(), user), "k", "1")
		for range 2 {
			_, err := p.Deposit(key, wallet.DepositRequest{UserID: user, Amount: wallettest.USD(2500), Token: "tok_visa"})
			require.ErrorIs(t, err, wallet.LimitExceeded)
		}
		d := w.only(t)
		require.Equal(t, core.DepositFailed, d.Status)
		require.Equal(t, []string{payments.Refunded}, w.charges(t, d.ID))
		require.Zero(t, w.balance(t, user))
	})
}

func TestCreditIsTriedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		away := fault.Unavailable.Errorf("the database is away")
		p := w.start(t, &late{w.wallets, []error{away, away}})
		user := id.V7()
		d := wallettest.MustDeposit(t, p, user, 2500)
		require.Equal(t, int64(2500), w.balance(t, user))
		require.Equal(t, []string{payments.Captured}, w.charges(t, d.ID))
	})
}

// A provider that is away ends the deposit with nothing charged; a repeat is told
// the same, and a new key tries anew.
func TestProviderAway(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		p := w.start(t, w.wallets)
		user := id.V7()
		key := wallettest.Keyed(wallettest.Customer(t.Context(), user), "k", "1")
		req := wallet.DepositRequest{UserID: user, Amount: wallettest.USD(2500), Token: "tok_error"}
		for range 2 {
			_, err := p.Deposit(key, req)
			require.ErrorIs(t, err, wallet.CardUnavailable)
		}
		require.Empty(t, w.charges(t, w.only(t).ID))
		_, err := w.payments.Authorize(wallettest.Shop(t.Context()), payments.AuthorizeRequest{DepositID: w.only(t).ID, UserID: user, Amount: req.Amount, Token: "tok_visa"})
		require.ErrorIs(t, err, payments.AlreadyVoided, "nothing can come through late")
		wallettest.MustDeposit(t, p, user, 2500)
		require.Equal(t, int64(2500), w.balance(t, user))
	})
}

// Who waits longer than the call lasts asks again with the same key.
func TestSlowCardIsInFlight(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		charging := make(chan struct{})
		release := sync.OnceFunc(func() { close(charging) })
		w.payments.CaptureFunc = func(ctx context.Context, req payments.DepositRequest) (payments.Payment, error) {
			<-charging
			w.payments.Capture(req.DepositID)
			return w.payments.ByDeposit(ctx, req)
		}
		p := w.start(t, w.wallets)
		t.Cleanup(release) // before the process stops
		// On a busy machine there may be no time to begin, or for the answer. Another try is
		// another deposit: the same key could be told that the first is in flight by its memory.
		// From 13 s on the call would be longer than anybody waits for the card.
		for last := 2 * time.Second; ; last *= 2 {
			user := id.V7()
			key := wallettest.Keyed(wallettest.Customer(t.Context(), user), user, "1")
			req := wallet.DepositRequest{UserID: user, Amount: wallettest.USD(2500), Token: "tok_visa"}
			short, cancel := context.WithTimeout(key, last)
			_, err := p.Deposit(short, req)
			cancel()
			if !errors.Is(err, idempotency.InFlight) {
				require.Equal(t, fault.KindDeadline, fault.From(err).Code.Kind(), err)
				require.Less(t, last, 8*time.Second, err)
				continue
			}
			require.Equal(t, "1", fault.From(err).Details["retry_after"])
			release()
			got, err := p.Deposit(key, req)
			require.NoError(t, err)
			require.Equal(t, []string{got.ID}, w.deposits(t, user))
			require.Equal(t, int64(2500), w.balance(t, user))
			return
		}
	})
}

// The card's token is wiped when it is not needed any more.
func TestTokenIsWiped(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, w *world) {
		p := w.start(t, w.wallets)
		user := id.V7()
		for token, code := range map[string]error{"tok_visa": nil, "tok_declined": wallet.CardDeclined, "tok_error": wallet.CardUnavailable} {
			_, err := p.Deposit(wallettest.Keyed(wallettest.Customer(t.Context(), user), token, "1"),
				wallet.DepositRequest{UserID: user, Amount: wallettest.USD(2500), Token: token})
			require.ErrorIs(t, err, code)
		}
		var kept int
		require.NoError(t, w.db.Conn(t.Context()).Raw(`SELECT count(*) FROM sagas WHERE state LIKE '%tok_%'`).Scan(&kept).Error)
		require.Zero(t, kept)
	})
}
