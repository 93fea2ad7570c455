package bank

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
	"github.com/banyan-tree/banyan/internal/crashpoint"
)

// moments are where a shop with wallets is made to die: between an append and its
// snapshot, before and after the commit of a batch of a rebuild, and after that of
// the turn to what was rebuilt.
var moments = []string{
	"wallet:before-snapshot:", "wallet:before-commit:eventstore.step", "wallet:after-commit:eventstore.step", "wallet:after-commit:eventstore.turn",
}

// TestCrashAtEachMoment dies at each of them, once, and goes on: no money is lost
// or made, a rebuild that was asked for ends, and all projections say what the
// streams say.
func TestCrashAtEachMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	armed, record := filepath.Join(dir, "armed"), filepath.Join(dir, "record")
	plain := shoptest.NewSite(t, chief...)
	at := plain.With(crashpoint.Variable+"="+armed, crashpoint.RecordVariable+"="+record)
	at.Binary = shoptest.Build(t, "faultpoints")
	arm := func(point string) {
		require.NoError(t, os.WriteFile(armed, []byte(point), 0o600))
		require.NoError(t, os.WriteFile(record, nil, 0o600))
	}
	arm("")
	s := shoptest.Serve(t, at)
	p := &purse{client: s.Customer(t)}
	// story passes every moment: it fills a wallet beyond its next snapshot, and has
	// the balances rebuilt. It gives up when the shop dies.
	story := func(c shoptest.Client) error {
		move := func(path string, body shoptest.Object) error {
			_, err := c.Keyed().Try(t.Context(), "POST", path, body)
			return err
		}
		if err := move("/wallet/deposits", shoptest.Object{"amount": shoptest.Object{"amount": 500, "currency": "USD"}, "token": "tok_visa"}); err != nil {
			return err
		}
		for range 100 {
			if err := move("/wallet/withdrawals", shoptest.Object{"amount": shoptest.Object{"amount": 1, "currency": "USD"}}); err != nil {
				return err
			}
		}
		return nil
	}
	rebuild := func() error { // by the server: this command only wishes for it, and waits
		ctx, cancel := context.WithTimeout(t.Context(), shoptest.Patience)
		defer cancel()
		cmd := plain.Command(ctx, t, "projection", "rebuild", "balances")
		return cmd.Run()
	}
	require.NoError(t, story(p.client.At(s.Shop)))
	require.NoError(t, rebuild())
	raw, err := os.ReadFile(record)
	require.NoError(t, err)
	points := map[string]string{}
	for point := range strings.Lines(string(raw)) {
		for _, m := range moments {
			if strings.HasPrefix(point, m) {
				points[m] = strings.TrimSpace(point)
			}
		}
	}
	require.Len(t, points, len(moments), "each moment is passed: %v", points)
	for _, m := range moments {
		arm(points[m])
		told := make(chan error, 1)
		go func() {
			if strings.Contains(m, "snapshot") {
				told <- story(p.client.At(s.Shop))
				return
			}
			told <- rebuild()
		}()
		shoptest.Until(t, "the shop dies at "+points[m], func() bool {
			select {
			case <-s.Exited:
				return true
			default:
				return false
			}
		})
		arm("")
		s = shoptest.Serve(t, at)
		<-told
		require.NoError(t, rebuild(), "after a death at %s", points[m])
		require.NoError(t, p.check(t.Context(), p.client.At(s.Shop), func(n int) int { return n / 2 }), "after a death at %s", points[m])
	}
	s.Site = plain
	s.Quiet(t)
	s.Audited(t)
}
