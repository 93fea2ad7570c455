package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/id"
	"github.com/banyan-tree/banyan/internal/money"
	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/resilience"
	"github.com/banyan-tree/banyan/internal/testenv"
	"github.com/banyan-tree/banyan/migrations"
	"github.com/banyan-tree/banyan/modules/orders"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/internal/core"
	"github.com/banyan-tree/banyan/modules/payments/internal/sandboxclient"
	"github.com/banyan-tree/banyan/modules/payments/internal/store"
	"github.com/banyan-tree/banyan/modules/payments/sandbox"
	"github.com/banyan-tree/banyan/modules/shipping"
)

const (
	secret = "whsec_test"
	user   = "user-1"
)

// bundle is the core over a real store, with the sandbox behind a line that can
// be broken.
type bundle struct {
	*core.Service
	t     *testing.T
	store *store.Store
	db    *database.DB
	clock *clock.Fake
	line  *line
	log   *bytes.Buffer
	ops   *outcomes
}

// each runs fn on every dialect.
func each(t *testing.T, fn func(t *testing.T, b *bundle)) {
	t.Helper()
	testenv.EachCluster(t, func(t *testing.T, open func(string) *database.DB) {
		t.Helper()
		fn(t, setup(t, open))
	})
}

func setup(t *testing.T, open func(string) *database.DB) *bundle {
	t.Helper()
	db, theirs := open("payments"), open("sandbox")
	require.NoError(t, db.Migrate(t.Context(), migrations.Of("payments"), event.OutboxMigrations()))
	require.NoError(t, theirs.Migrate(t.Context(), sandbox.Migrations()...))
	b := &bundle{t: t, db: db, store: store.New(db), clock: clock.NewFake(clock.System()), log: &bytes.Buffer{}, ops: &outcomes{}}
	box, err := sandbox.New(sandbox.Deps{
		DB: theirs, Now: clock.System, NewID: id.V7, Log: slog.New(slog.DiscardHandler), APIKey: "key",
		Slow: func(context.Context) error { return nil },
	})
	require.NoError(t, err)
	b.line = &line{box: box}
	srv := httptest.NewServer(b.line)
	t.Cleanup(srv.Close)
	// Never left alone: what is judged here is what becomes of each try.
	guard, err := resilience.NewGuard(resilience.GuardConfig{Name: "provider", Sick: 100_000, Last: 100_000, Now: b.clock.Now})
	require.NoError(t, err)
	provider := sandboxclient.New(srv.URL, "key", guard)
	t.Cleanup(provider.Close)
	b.Service = core.New(core.Deps{
		Store: b.store, Provider: provider, Outbox: event.NewOutbox(db, b.clock.Now, id.V7), Now: b.clock.Now, NewID: id.V7,
		Log: slog.New(slog.NewTextHandler(&locked{w: b.log}, nil)), Observer: b.ops, WebhookSecret: secret,
	})
	return b
}

// line is the way to the provider. break decides before a request is passed on;
// it answers true when it dealt with the request itself.
type line struct {
	box    http.Handler
	broken atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	posts  atomic.Int64
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		l.posts.Add(1)
	}
	if f := l.broken.Load(); f != nil && (*f)(w, r) {
		return
	}
	l.box.ServeHTTP(w, r)
}

func (l *line) set(f func(w http.ResponseWriter, r *http.Request) bool) { l.broken.Store(&f) }
func (l *line) heal()                                                   { l.broken.Store(nil) }

// down answers everything with 503.
func (l *line) down() {
	l.set(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
}

// swallow lets requests act but loses their replies, and answers no look-up.
func (l *line) swallow() {
	l.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			l.box.ServeHTTP(httptest.NewRecorder(), r)
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
}

// late keeps the next request back, and gives a function that lets it through.
func (l *line) late() (arrive func()) {
	var mu sync.Mutex
	var kept []*http.Request
	l.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		copied := r.Clone(context.Background())
		copied.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		kept = append(kept, copied)
		mu.Unlock()
		w.WriteHeader(http.StatusGatewayTimeout)
		return true
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		l.heal()
		for _, r := range kept {
			l.box.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

type outcomes struct {
	mu   sync.Mutex
	seen map[string]int
}

func (o *outcomes) Operation(kind, outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]int{}
	}
	o.seen[kind+" "+outcome]++
}

func (o *outcomes) count(name string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[name]
}

// shop is the context of the shop's own work.
func (b *bundle) shop() context.Context {
	return port.WithPrincipal(b.t.Context(), port.System("orders"))
}

func (b *bundle) staff() context.Context {
	return port.WithPrincipal(b.t.Context(), port.Principal{Subject: "staff-1", Roles: []string{port.RoleStaff}})
}

func request(orderID, token string) payments.AuthorizeRequest {
	return payments.AuthorizeRequest{OrderID: orderID, UserID: user, Amount: money.Of(10000, "USD"), Token: token}
}

func (b *bundle) mustAuthorize(orderID string) payments.Payment {
	b.t.Helper()
	p, err := b.Authorize(b.shop(), request(orderID, "tok_visa"))
	require.NoError(b.t, err)
	require.Equal(b.t, payments.Authorised, p.Status)
	return p
}

func (b *bundle) mustCapture(orderID string) payments.Payment {
	b.t.Helper()
	b.dispatch(orderID)
	b.work()
	p := b.payment(orderID)
	require.Equal(b.t, payments.Captured, p.Status)
	return p
}

// dispatch does what the event that goods have left does.
func (b *bundle) dispatch(orderID string) {
	b.t.Helper()
	require.NoError(b.t, b.db.Atomic(b.t.Context(), func(ctx context.Context) error {
		return b.OnDispatched(ctx, event.Meta{}, shipping.ShipmentChanged{OrderID: orderID})
	}))
}

// cancel does what the event that an order was cancelled does.
func (b *bundle) cancel(orderID string) {
	b.t.Helper()
	require.NoError(b.t, b.db.Atomic(b.t.Context(), func(ctx context.Context) error {
		return b.OnCancelled(ctx, event.Meta{}, orders.OrderEnded{OrderID: orderID})
	}))
}

// work lets time pass until every wait is over, and does what is due.
func (b *bundle) work() {
	b.t.Helper()
	for range 3 {
		b.clock.Advance(2 * time.Minute)
		require.NoError(b.t, b.WorkOff(b.t.Context()))
	}
}

func (b *bundle) payment(orderID string) payments.Payment {
	b.t.Helper()
	p, err := b.ByOrder(b.shop(), payments.OrderRequest{OrderID: orderID})
	require.NoError(b.t, err)
	return p
}

// ledger gives the statuses of an order's charges at the provider.
func (b *bundle) ledger(orderID string) []string {
	b.t.Helper()
	charges, err := b.Provider.ByReference(b.t.Context(), orderID)
	require.NoError(b.t, err)
	list := []string{}
	for _, c := range charges {
		list = append(list, c.Status)
	}
	return list
}

// events gives the types published about a payment, and requires their versions
// to be contiguous.
func (b *bundle) events(paymentID string) []string {
	b.t.Helper()
	var rows []struct {
		Type    string
		Version int64
	}
	require.NoError(b.t, b.db.Conn(b.t.Context()).Raw(`SELECT type, version FROM outbox WHERE aggregate_id = ? ORDER BY version`, paymentID).Scan(&rows).Error)
	list := []string{}
	for i, r := range rows {
		require.EqualValues(b.t, i+1, r.Version)
		list = append(list, r.Type)
	}
	return list
}

// refundedSoFar is what each event about a payment says was given back in all.
func (b *bundle) refundedSoFar(paymentID string) []int64 {
	b.t.Helper()
	var rows []string
	require.NoError(b.t, b.db.Conn(b.t.Context()).Raw(`SELECT data FROM outbox WHERE aggregate_id = ? ORDER BY version`, paymentID).Scan(&rows).Error)
	list := []int64{}
	for _, row := range rows {
		var e payments.PaymentChanged
		require.NoError(b.t, json.Unmarshal([]byte(row), &e))
		list = append(list, e.Refunded.Amount)
	}
	return list
}

// findings runs every audit check.
func (b *bundle) findings() []string {
	b.t.Helper()
	list := []string{}
	for _, c := range b.Checks() {
		_, err := c.Run(b.t.Context(), func(subject, detail string) { list = append(list, c.Rule+": "+subject+": "+detail) })
		require.NoError(b.t, err)
	}
	return list
}
