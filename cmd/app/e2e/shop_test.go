package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestShop goes through what a shop can do, chapter by chapter, on every wiring. All
// chapters are of one shop: starting it costs more than most of them. Nothing that it
// sends to its databases in all this is in the way of taking a module out.
func TestShop(t *testing.T) {
	t.Parallel()
	source, err := filepath.Abs(root)
	require.NoError(t, err)
	shoptest.OnEvery(t, func(t *testing.T, at shoptest.Site) {
		s, observed := shoptest.Serve(t, at), at.Setting("BANYAN_BOUNDARIES_FILE")
		for _, chapter := range []struct {
			name string
			do   func(t *testing.T, s *shoptest.Server)
		}{
			{"Cards", paysByCard}, // this and the next three leave the stock at rest: they count it
			{"Repeats", repeats},
			{"CancelAndRefund", givesBack},
			{"Wallet", paysByWallet},
			{"Deposits", fillsWallets},
			{"CartAndPromotion", cartAndPromotion},
			{"Refusals", refusals},
			{"Ownership", ownership},
			{"Examples", examplesWork},
			{"Commands", commands},
		} {
			if chapter.name == "Commands" && at.Setting("BANYAN_AMQP_URL") != "" {
				continue // they do not use the broker
			}
			t.Run(chapter.name, func(t *testing.T) { chapter.do(t, s) })
		}
		s.Quiet(t)
		s.Audited(t)
		require.FileExists(t, observed)
		require.Contains(t, s.OK(t, "boundaries", "--source", source, "--observed", observed), "\nNothing new blocks an extraction.\n")
	})
}
