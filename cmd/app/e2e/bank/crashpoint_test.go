package bank

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/crashpoint"
)

// moments are where a shop with wallets is made to die: between an append and its
// snapshot, around the commit of the first of several batches of a rebuild, and
// around that of the turn to what was rebuilt.
var moments = []string{
	beforeSnapshot, "wallet:before-commit:eventstore.step", "wallet:after-commit:eventstore.step",
	"wallet:before-commit:eventstore.turn", "wallet:after-commit:eventstore.turn",
}

const beforeSnapshot = "wallet:before-snapshot:"

// batch is how many events a projection applies in one transaction.
const batch = 500

// TestCrashAtEachMoment dies at each of them, once, and goes on: no money is lost
// or made, a rebuild goes on from the batch that it came to, and all projections
// say what the streams say.
func TestCrashAtEachMoment(t *testing.T) {
	t.Parallel()
	binary := shoptest.Build(t, "faultpoints")
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dieAtEach(t, shoptest.NewSite(t, chief...), binary)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dieAtEach(t, shoptest.NewPostgresSite(t, chief...), binary)
	})
}

// gallows are a shop that is made to die, and a wallet in it.
type gallows struct {
	armed, record string        // files of the crash points
	plain         shoptest.Site // passes no points: for commands beside the shop
	purse         *purse
}

// built is what "app projection" says of a generation.
type built struct {
	Generation, Applied, Lag int64
	State                    string
}

func dieAtEach(t *testing.T, plain shoptest.Site, binary string) {
	t.Helper()
	dir := t.TempDir()
	g := &gallows{armed: filepath.Join(dir, "armed"), record: filepath.Join(dir, "record"), plain: plain}
	at := plain.With(crashpoint.Variable+"="+g.armed, crashpoint.RecordVariable+"="+g.record)
	at.Binary = binary
	g.arm(t, "")
	s := shoptest.Serve(t, at)
	g.purse = &purse{client: s.Customer(t)}
	require.NoError(t, g.withdraw(t, s, batch+100))
	_, err := g.rebuild(t)
	require.NoError(t, err)
	points := g.points(t)
	require.Len(t, points, len(moments), "each moment is passed: %v", points)
	for _, m := range moments {
		g.caughtUp(t)
		g.arm(t, points[m])
		var told built
		ended := make(chan error, 1)
		go func() {
			var err error
			if m == beforeSnapshot {
				err = g.withdraw(t, s, 100)
			} else {
				told, err = g.rebuild(t)
			}
			ended <- err
		}()
		shoptest.Until(t, "the shop dies at "+points[m], func() bool {
			select {
			case <-s.Exited:
				return true
			default:
				return false
			}
		})
		g.arm(t, "")
		left := g.generations(t)
		s = shoptest.Serve(t, at)
		err := <-ended
		if m != beforeSnapshot {
			require.NoError(t, err, "the rebuild that died at %s", points[m])
			half := left[len(left)-1]
			require.Equal(t, half.Generation, told.Generation, "the one that was begun is the one that serves: %+v", left)
			require.Equal(t, map[string]int64{
				"wallet:before-commit:eventstore.step": 0, "wallet:after-commit:eventstore.step": batch,
				"wallet:before-commit:eventstore.turn": told.Applied, "wallet:after-commit:eventstore.turn": told.Applied,
			}[m], half.Applied, "it died at %s in the middle: %+v", points[m], left)
			require.Greater(t, told.Applied, int64(batch))
		}
		require.NoError(t, g.purse.check(t.Context(), only(g.purse.client.At(s.Shop)), func(n int) int { return n / 2 }), "after a death at %s", points[m])
	}
	s.Site = plain
	s.Quiet(t)
	s.Audited(t)
}

// arm says where the shop dies next.
func (g *gallows) arm(t *testing.T, point string) {
	t.Helper()
	require.NoError(t, os.WriteFile(g.armed, []byte(point), 0o600))
	if point == "" {
		require.NoError(t, os.WriteFile(g.record, nil, 0o600))
	}
}

// points are the names that the moments have in this program.
func (g *gallows) points(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(g.record)
	require.NoError(t, err)
	points := map[string]string{}
	for point := range strings.Lines(string(raw)) {
		for _, m := range moments {
			if strings.HasPrefix(point, m) {
				points[m] = strings.TrimSpace(point)
			}
		}
	}
	return points
}

// withdraw fills the wallet and takes single cents out of it, by several hands. It
// gives up when the shop dies.
func (g *gallows) withdraw(t *testing.T, s *shoptest.Server, times int) error {
	t.Helper()
	const hands = 4
	c := g.purse.client.At(s.Shop)
	if _, err := c.Keyed().Insist(t.Context(), "POST", "/wallet/deposits", shoptest.DepositBody(int64(times), "tok_visa")); err != nil {
		return err
	}
	errs := make([]error, hands)
	var all sync.WaitGroup
	for i := range hands {
		all.Go(func() {
			for n := 0; n < times/hands && errs[i] == nil; n++ {
				_, errs[i] = c.Keyed().Try(t.Context(), "POST", "/wallet/withdrawals", shoptest.Object{"amount": shoptest.Amount(1)})
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// rebuild has the balances rebuilt by the server: this command only wishes for it,
// and waits, also while that server is dead.
func (g *gallows) rebuild(t *testing.T) (built, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
	defer cancel()
	var b built
	out, err := g.plain.Command(ctx, t, "projection", "rebuild", "balances", "--json").Output()
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal(out, &b)
}

// generations of the balances, oldest first.
func (g *gallows) generations(t *testing.T) (all []built) {
	t.Helper()
	g.plain.JSON(t, &all, "projection", "status", "balances", "--json")
	return all
}

// caughtUp waits until the feed has nothing to do, so that the next batch is one
// of a rebuild.
func (g *gallows) caughtUp(t *testing.T) {
	t.Helper()
	shoptest.Until(t, "the projections have caught up", func() bool {
		var all []built
		g.plain.JSON(t, &all, "projection", "list", "--json")
		for _, b := range all {
			if b.Lag > 0 {
				return false
			}
		}
		return len(all) == len(projections)
	})
}
