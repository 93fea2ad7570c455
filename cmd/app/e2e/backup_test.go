package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"golang.org/x/sync/errgroup"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// atFirst is the stock that the buyers of TestBackup find.
const atFirst = 100_000

// TestBackup copies the files of a shop as docs/backup.md says, while it stands still in
// the middle of its work, and when it is stopped. Either copy is a shop that goes on:
// every order in it is decided, and every module says the same of it.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewSite(t))
	admin := s.Admin(t)
	admin.Do(t, http.StatusOK, http.MethodPut, "/stock/"+shoptest.Staple, shoptest.Object{"on_hand": atFirst})
	backup := func(name string) shoptest.Site {
		to := filepath.Join(t.TempDir(), name)
		at := s.With("BANYAN_DATA_DIR=" + to)
		at.Data = to
		out, err := exec.CommandContext(t.Context(), "cp", "-a", s.Data, at.Data).CombinedOutput()
		require.NoError(t, err, string(out))
		return at
	}

	group, ctx := errgroup.WithContext(t.Context())
	copied := make(chan struct{})
	for _, buyer := range s.Customers(t, 4) {
		group.Go(func() error {
			for !shoptest.Over(copied) {
				if _, err := buyer.Insist(ctx, http.MethodPut, "/cart/items/"+shoptest.Staple, shoptest.Object{"quantity": 1}); err != nil {
					return err
				}
				if _, err := buyer.Keyed().Insist(ctx, http.MethodPost, "/orders", shoptest.OrderBody("tok_visa")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	shoptest.Often(t, "some have bought, and others are about to", func() bool {
		return strings.Count(admin.Get(t, "/orders?all=true&limit=100").Raw, `"status":"confirmed"`) > 4
	})
	s.Signal(t, syscall.SIGSTOP)
	paused := backup("paused")
	s.Signal(t, syscall.SIGCONT)
	close(copied)
	require.NoError(t, group.Wait())
	all := whole(t, s)
	require.Zero(t, s.Stop(t))
	stopped := backup("stopped")

	require.GreaterOrEqual(t, whole(t, shoptest.Serve(t, paused)).Orders, 4)
	require.Equal(t, all, whole(t, shoptest.Serve(t, stopped)))
}

// whole checks that what the modules know of the orders is of one moment: the orders and
// the provider's ledger, the payments and the stock.
func whole(t *testing.T, s *shoptest.Server) shoptest.Verdict {
	t.Helper()
	admin := s.Admin(t)
	v := s.Verdict(t, admin)
	s.Audited(t)
	s.Settles(t, shoptest.Staple, shoptest.Stock{OnHand: atFirst - v.Sold[shoptest.Staple]})
	page := admin.Get(t, "/orders?all=true&limit=100")
	for n := 0; page.At(fmt.Sprintf("items.%d", n)) != nil; n++ {
		if page.Text(fmt.Sprintf("items.%d.status", n)) == "confirmed" {
			p := admin.Get(t, "/payments/"+page.Text(fmt.Sprintf("items.%d.payment_id", n)))
			require.Equal(t, "authorised", p.Text("status"))
		}
	}
	return v
}
