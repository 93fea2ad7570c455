package walletmodule_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/eventstore"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
	"github.com/banyan-tree/banyan/modules/shipping"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/walletmodule"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

const patience = time.Minute

// neighbour is a module that publishes what wallets listen to.
type neighbour struct {
	db     *database.DB
	outbox *event.Outbox
	next   map[string]int64
	mu     *sync.Mutex
}

func (n neighbour) tell(t *testing.T, make func(version int64) event.Event, aggregate string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next[aggregate]++
	require.NoError(t, n.db.Atomic(t.Context(), func(ctx context.Context) error { return n.outbox.Publish(ctx, make(n.next[aggregate])) }))
}

// bundle is the module with fakes around it.
type bundle struct {
	*walletmodule.Module
	db       *database.DB
	payments *paymentstest.Fake
	bus      *event.Bus
	shop     neighbour
	late     *atomic.Int64 // how far the clock is ahead, in nanoseconds
}

func setup(t *testing.T, open func(string) *database.DB) *bundle {
	t.Helper()
	b := &bundle{db: open("wallet"), payments: paymentstest.NewFake(), late: new(atomic.Int64)}
	require.NoError(t, b.db.Migrate(t.Context(), walletmodule.Migrations()...))
	var err error
	b.Module, err = walletmodule.New(walletmodule.Deps{
		DB: b.db, NewID: id.V7, Log: slog.New(slog.DiscardHandler), Currency: "USD", Payments: b.payments,
		Now: func() time.Time { return clock.System().Add(time.Duration(b.late.Load())) },
	})
	require.NoError(t, err)
	shop := open("shop")
	require.NoError(t, shop.Migrate(t.Context(), event.OutboxMigrations()))
	b.shop = neighbour{shop, event.NewOutbox(shop, clock.System, id.V7), map[string]int64{}, &sync.Mutex{}}
	b.bus, err = event.NewBus(slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	b.bus.Source(b.shop.outbox)
	b.bus.Source(b.Outbox)
	b.bus.Subscribe(b.Consumer)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, task := range append(b.bus.Tasks(), b.Tasks...) {
		running.Go(func() {
			if err := task.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return b
}

func (b *bundle) heard(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, b.bus.Drain(ctx))
}

func (b *bundle) harness(svc wallet.Service) wallettest.Harness {
	ended := func(kind *event.Type[orders.OrderEnded], order, user string, total money.Money) func(int64) event.Event {
		return func(v int64) event.Event {
			return kind.New(order, v, orders.OrderEnded{OrderID: order, UserID: user, Total: total})
		}
	}
	return wallettest.Harness{
		Service: svc,
		Dispatch: func(t *testing.T, order string) {
			b.shop.tell(t, func(v int64) event.Event {
				return shipping.ShipmentDispatched.New("s-"+order, v, shipping.ShipmentChanged{ShipmentID: "s-" + order, OrderID: order})
			}, "s-"+order)
			b.heard(t)
		},
		Cancel: func(t *testing.T, order, user string) {
			b.shop.tell(t, ended(orders.WasCancelled, order, user, wallettest.USD(1)), order)
			b.heard(t)
		},
		Deliver: func(t *testing.T, order, user string, total money.Money) {
			b.shop.tell(t, ended(orders.WasDelivered, order, user, total), order)
			b.heard(t)
		},
		Charges: func(t *testing.T, depositID string) []string {
			p, err := b.payments.ByDeposit(wallettest.Shop(t.Context()), payments.DepositRequest{DepositID: depositID})
			if errors.Is(err, payments.PaymentNotFound) || p.Status == payments.DeclinedBy {
				return nil
			}
			require.NoError(t, err)
			return []string{p.Status}
		},
	}
}

// findings runs the audit once everything is quiet. Of a long history it reads all.
func (b *bundle) findings(t *testing.T) (found []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	require.NoError(t, b.Projections.CaughtUp(ctx))
	for _, check := range b.Checks {
		examined, err := check.Run(ctx, func(subject, detail string) { found = append(found, check.Rule+": "+subject+": "+detail) })
		require.NoError(t, err)
		if !strings.HasPrefix(check.Rule, "wallet.sagas") {
			require.Positive(t, examined, check.Rule)
		}
	}
	return found
}

func TestModuleKeepsItsContract(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		porttest.Ways(t, func(s *port.Server) { wallet.Serve(s, b.Service) }, func(t *testing.T, conn *port.Conn) {
			h := b.harness(wallet.NewClient(conn))
			wallettest.Exercise(t, h)
			wallettest.ExerciseDeposits(t, h)
		})
		require.Empty(t, b.findings(t))
	})
}

// The audit must see what the rules were made to prevent.
func TestAuditSeesDamage(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		wallettest.MustDeposit(t, b.Service, "ada", 1000)
		wallettest.MustDeposit(t, b.Service, "bob", 1000)
		wallettest.MustDeposit(t, b.Service, "cid", 500)
		order := wallettest.MustHold(t, b.Service, "ada", 300)
		require.Empty(t, b.findings(t))
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			return errors.Join(
				b.db.Conn(ctx).Exec("UPDATE balances SET balance = 900 WHERE user_id = 'ada'").Error,
				b.db.Conn(ctx).Exec("UPDATE statement_lines SET available = 5 WHERE user_id = 'ada' AND version = 3").Error,
				b.db.Conn(ctx).Exec("UPDATE holds SET amount = 299 WHERE order_id = ?", order).Error,
				b.db.Conn(ctx).Exec("DELETE FROM stream_events WHERE stream = 'bob' AND version = 1").Error,
				b.db.Conn(ctx).Exec("DELETE FROM balances WHERE user_id = 'cid'").Error,
				b.db.Conn(ctx).Exec("DELETE FROM statement_lines WHERE user_id = 'cid' AND version = 2").Error,
			)
		}))
		found := strings.Join(b.findings(t), "\n")
		for _, want := range []string{
			"wallet ada: the projection of balances has 900, 700 available, at version 3; its events add up to 1000, 700 available",
			"wallet ada: the projection of statements has 1000, 5 available",
			"wallet bob: fold version 2 of stream bob: version 2 follows on version 0",
			"wallet ada: orders hold [{" + order + " 299}], its events say [{" + order + " 300}]",
			"wallet cid: the projection of balances has lost rows: it was fed up to version 2, and ends at version 0",
			"wallet cid: the projection of statements has lost rows: it was fed up to version 2, and ends at version 1",
			"all wallets: the daily totals add up to 2500, the balances to 1900",
			"all wallets: the daily totals have 7 events, the balances 5",
		} {
			require.Contains(t, found, want)
		}
	})
}

// A projection that cannot go on is tried again for a while, then the audit names it.
func TestAuditSeesWhatIsStuck(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		wallettest.MustDeposit(t, b.Service, "ada", 1000)
		require.Empty(t, b.findings(t))
		require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
			return b.db.Conn(ctx).Exec("DELETE FROM balances WHERE user_id = 'ada'").Error
		}))
		wallettest.MustDeposit(t, b.Service, "ada", 1000)
		require.Eventually(t, func() bool {
			all, err := b.Projections.Status(t.Context())
			require.NoError(t, err)
			return slices.ContainsFunc(all, func(s eventstore.Status) bool { return s.Name == "balances" && s.Failure != "" })
		}, patience, 10*time.Millisecond)
		stuck := func(later time.Duration) (found []string) {
			b.late.Store(int64(later))
			for _, check := range b.Checks {
				if check.Rule != "wallet.projections_none_stuck" {
					continue
				}
				examined, err := check.Run(t.Context(), func(subject, detail string) { found = append(found, subject+": "+detail) })
				require.NoError(t, err)
				require.Equal(t, 3, examined)
			}
			return found
		}
		require.Empty(t, stuck(time.Minute))
		found := stuck(10 * time.Minute)
		require.Len(t, found, 1)
		require.Contains(t, found[0], "projection balances: generation 1 does not have 1 events, the oldest for 10m")
		require.Contains(t, found[0], "wallet ada: version 3 follows on 0")
	})
}

// A statement is the same before, while and after its rows are made anew.
func TestStatementWhileItIsRebuilt(t *testing.T) {
	t.Parallel()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		b := setup(t, open)
		wallettest.MustDeposit(t, b.Service, "ada", 1000)
		for range 20 {
			_, err := b.Service.Withdraw(wallettest.Customer(t.Context(), "ada"), wallet.WithdrawRequest{UserID: "ada", Amount: wallettest.USD(3)})
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, b.Projections.CaughtUp(ctx))
		read := func() wallet.Statement {
			s, err := b.Service.Statement(wallettest.Customer(t.Context(), "ada"), wallet.StatementRequest{UserID: "ada", Until: clock.System().Add(time.Hour), Limit: 100})
			require.NoError(t, err)
			return s
		}
		before := read()
		require.Len(t, before.Items, 22)
		require.Equal(t, wallettest.USD(940), before.Closing)
		require.Zero(t, before.Behind)
		for _, name := range b.Projections.Names() {
			_, err := b.Projections.Rebuild(t.Context(), name)
			require.NoError(t, err)
		}
		require.Eventually(t, func() bool {
			require.Equal(t, before, read())
			all, err := b.Projections.Status(t.Context())
			require.NoError(t, err)
			serving := 0
			for _, s := range all {
				if s.State == "serving" && s.Generation == 2 {
					serving++
				}
			}
			return serving == 3
		}, patience, 5*time.Millisecond)
		require.Equal(t, before, read())
		require.Empty(t, b.findings(t))
	})
}

func TestEveryMethodHasAPort(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[wallet.Service](),
		porttest.Served(func(s *port.Server) { wallet.Serve(s, wallettest.NewFake()) })...)
}

// Amounts in what a customer is told are no bare minor units.
func TestRefusalsNameAmounts(t *testing.T) {
	t.Parallel()
	b := setup(t, func(name string) *database.DB { return testenv.SQLite(t, name) })
	ada := wallettest.Customer(t.Context(), "ada")
	_, err := b.Service.Withdraw(ada, wallet.WithdrawRequest{UserID: "ada", Amount: wallettest.USD(6001)})
	require.ErrorContains(t, err, "60.01 USD were asked for, 0.00 USD are available")
	wallettest.MustDeposit(t, b.Service, "ada", 1000)
	require.NoError(t, b.db.Atomic(t.Context(), func(ctx context.Context) error {
		return b.db.Conn(ctx).Exec("UPDATE stream_events SET data = REPLACE(data, ':1000', ':999999999999') WHERE stream = 'ada' AND version = 2").Error
	}))
	other := setup(t, func(name string) *database.DB { // which has not cached it
		if name == "wallet" {
			return b.db
		}
		return testenv.SQLite(t, name)
	})
	_, err = other.Service.Deposit(ada, wallet.DepositRequest{UserID: "ada", Amount: wallettest.USD(6000), Token: "tok_visa"})
	require.ErrorContains(t, err, "a wallet holds 10000000000.00 USD at most, and this one has 9999999999.99 USD")
}
