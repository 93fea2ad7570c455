package bank

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// chief is the admin, by settings: the same for all instances.
var chief = []string{"BANYAN_ADMIN_EMAIL=chief@example.com", "BANYAN_ADMIN_PASSWORD=" + shoptest.Password}

var projections = []string{"balances", "statements", "daily"}

// TestBankSQLite kills the one process of a shop on files.
func TestBankSQLite(t *testing.T) {
	t.Parallel()
	storm(t, shoptest.NewSite(t, chief...))
}

// TestBankPostgres kills either of two instances on one database.
func TestBankPostgres(t *testing.T) {
	t.Parallel()
	first := shoptest.NewPostgresSite(t, chief...)
	storm(t, first, first.Twin(t))
}

// seeded is the randomness of one test, for each who acts in it.
func seeded(t *testing.T) func() *rand.Rand {
	t.Helper()
	seed := shoptest.Seed(t)
	var n atomic.Uint64
	return func() *rand.Rand { return rand.New(rand.NewPCG(seed, n.Add(1))) }
}

// bank is a shop under attack.
type bank struct {
	sites  []shoptest.Site
	now    []atomic.Pointer[shoptest.Server]
	purses []*purse

	moved, unknown, reads, rebuilds, underWay atomic.Int64
	hard                                      atomic.Int64 // kills with a movement under way
}

// door is an address where the n-th try may be made.
func (b *bank) door(n int) string { return b.now[n%len(b.now)].Load().Shop }

func storm(t *testing.T, sites ...shoptest.Site) {
	t.Helper()
	dice := seeded(t)
	wallets, movers, readers, each := shoptest.Storm(5, 50), shoptest.Storm(8, 32), shoptest.Storm(3, 8), shoptest.Storm(10, 100)
	// They move on until the readers have read, until kills have hit them, and at full
	// size until the time is over, in the first part of which the kills come.
	span, enough, hits := time.Duration(shoptest.Storm(0, 200))*time.Second, int64(shoptest.Storm(4, 20)*readers), int64(shoptest.Storm(1, 20))
	b := &bank{sites: sites, now: make([]atomic.Pointer[shoptest.Server], len(sites))}
	for i, at := range sites {
		b.now[i].Store(shoptest.Serve(t, at))
	}
	s := b.now[0].Load()
	admin := s.LogIn(t, "chief@example.com", shoptest.Password)
	for _, c := range s.Customers(t, wallets) {
		b.purses = append(b.purses, &purse{client: c})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var moving, reading sync.WaitGroup
	began := time.Now()
	for m := range movers {
		d := dice()
		moving.Go(func() {
			for i := 0; !t.Failed() && (i < each || time.Since(began) < span || b.reads.Load() < enough || b.hard.Load() < hits); i++ {
				if err := b.move(ctx, d, m+i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for r := range readers {
		d := dice()
		reading.Go(func() {
			next := r
			for ctx.Err() == nil {
				p := b.purses[d.IntN(len(b.purses))]
				err := p.check(ctx, func() shoptest.Client { next++; return p.client.At(b.door(next)) }, d.IntN)
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				b.reads.Add(1)
			}
		})
	}
	reading.Go(func() { b.rebuild(ctx, t) })
	done := make(chan struct{})
	go func() { moving.Wait(); close(done) }()
	kills := b.kill(t, dice(), done)
	cancel()
	reading.Wait()
	require.False(t, t.Failed())
	took := time.Since(began)

	s = b.now[0].Load()
	s.Quiet(t)
	in, out, refused := b.settle(t, s, admin.At(s.Shop))
	t.Logf("%d movements of %d wallets by %d movers in %s, in %d and out %d, %d refused; %d reads by %d readers; %d rebuilds; %d kills, %d of them with a movement under way; %d answers unknown",
		b.moved.Load(), wallets, movers, took.Round(time.Second), in, out, refused, b.reads.Load(), readers, b.rebuilds.Load(), kills, b.hard.Load(), b.unknown.Load())
	require.GreaterOrEqual(t, int(b.rebuilds.Load()), shoptest.Storm(0, 5), "too few rebuilds came to their end between the kills")
	require.GreaterOrEqual(t, int(b.moved.Load()), movers*each)
	require.GreaterOrEqual(t, took, span)
	require.Positive(t, refused, "no withdrawal met an empty wallet: nothing was tested")
	require.GreaterOrEqual(t, b.reads.Load(), enough)
	require.GreaterOrEqual(t, b.hard.Load(), hits, "too few kills hit a movement")
}

// move makes one deposit or withdrawal and asks until it knows what came of it.
func (b *bank) move(ctx context.Context, dice *rand.Rand, n int) error {
	p := b.purses[dice.IntN(len(b.purses))]
	sum := 1 + dice.Int64N(500)
	path, body := "/wallet/withdrawals", shoptest.Object{"amount": shoptest.Object{"amount": sum, "currency": "USD"}}
	if dice.IntN(3) == 0 {
		path, body["token"] = "/wallet/deposits", []string{"tok_visa", "tok_visa", "tok_lost_reply"}[dice.IntN(3)]
	}
	keyed := p.client.Keyed()
	b.underWay.Add(1)
	defer b.underWay.Add(-1)
	pause := 20 * time.Millisecond
	for try := n; ; try++ {
		a, err := keyed.At(b.door(try)).Try(ctx, http.MethodPost, path, body)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || a.Status == http.StatusServiceUnavailable || a.Status == http.StatusGatewayTimeout ||
			a.Status == http.StatusTooManyRequests || a.Text("code") == "idempotency_key.in_flight":
			b.unknown.Add(1)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
				pause = min(2*pause, 500*time.Millisecond) // who only asks again leaves no time for who reads
			}
			continue
		}
		b.moved.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case a.Status == http.StatusCreated && path == "/wallet/deposits":
			p.in += sum
			p.deposits = append(p.deposits, a.Text("id"))
		case a.Status == http.StatusCreated:
			p.out += sum
		case a.Text("code") == "wallet.insufficient_funds":
			p.refused++
		default:
			return fmt.Errorf("POST %s %v: %d %s", path, body, a.Status, a.Raw)
		}
		return nil
	}
}

// rebuild has one projection after the other made anew beside all that. Where no
// server lives the command does the work itself, and so another process feeds.
func (b *bank) rebuild(ctx context.Context, t *testing.T) {
	for n := 0; ctx.Err() == nil; n++ {
		at := b.sites[n%len(b.sites)]
		out, err := at.Command(ctx, t, "projection", "rebuild", projections[n%len(projections)]).CombinedOutput()
		if err == nil {
			b.rebuilds.Add(1)
		} else if ctx.Err() == nil {
			t.Errorf("a rebuild in the middle of it all: %s: %s", err, out)
			return
		}
	}
}

// kill kills and starts servers until the movers are done, and counts the kills.
func (b *bank) kill(t *testing.T, dice *rand.Rand, done <-chan struct{}) (kills int) {
	t.Helper()
	for kills < shoptest.Storm(2*len(b.sites), 40) { // what is left then must end in peace
		select {
		case <-done:
			return kills
		case <-time.After(time.Duration(300+dice.IntN(shoptest.Storm(500, 3000))) * time.Millisecond):
		}
		shoptest.Often(t, "there is something to lose", func() bool { return b.underWay.Load() > 0 || shoptest.Over(done) })
		if b.underWay.Load() > 0 {
			b.hard.Add(1)
		}
		// Where all die, the first that starts inherits what they had claimed; where
		// one lives, that lapses in its time, which a small run does not wait for.
		first, n := 0, len(b.sites)
		if shoptest.Storm(0, dice.IntN(6)) > 0 {
			first, n = dice.IntN(len(b.sites)), 1
		}
		for i := first; i < first+n; i++ {
			b.now[i].Load().Kill(t)
			kills++
		}
		for i := first; i < first+n; i++ {
			b.now[i].Store(shoptest.Serve(t, b.sites[i]))
		}
	}
	<-done
	return kills
}

// settle adds everything up: each wallet has what its movers were told, each
// deposit has one captured charge in the provider's ledger, the projections say
// the same, before and after they are rebuilt.
func (b *bank) settle(t *testing.T, s *shoptest.Server, admin shoptest.Client) (in, out int64, refused int) {
	t.Helper()
	for _, p := range b.purses {
		at := p.client.At(s.Shop)
		require.NoError(t, p.check(t.Context(), only(at), func(n int) int { return n - 1 }))
		require.Equal(t, p.in-p.out, at.Get(t, "/wallet").Number(t, "balance.amount"), "what the movers were told")
		in, out, refused = in+p.in, out+p.out, refused+p.refused
		for _, deposit := range p.deposits {
			require.Equal(t, []string{"captured"}, shoptest.Statuses(s.Ledger(t, admin, deposit)), "deposit %s", deposit)
		}
	}
	s.Audited(t)
	var rebuilding sync.WaitGroup
	for _, name := range projections {
		rebuilding.Go(func() {
			if out, err := s.Command(t.Context(), t, "projection", "rebuild", name).CombinedOutput(); err != nil {
				t.Errorf("rebuild %s: %s: %s", name, err, out)
			}
		})
	}
	rebuilding.Wait()
	s.Audited(t)
	for _, p := range b.purses {
		closing := p.client.At(s.Shop).Get(t, "/wallet/statement?from=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z&limit=1")
		require.Equal(t, p.in-p.out, closing.Number(t, "closing.amount"), "what the rebuilt statement says")
	}
	return in, out, refused
}
