package e2e

import (
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// TestShop goes through what a shop can do, chapter by chapter, on every wiring. All
// chapters are of one shop: starting it costs more than most of them.
func TestShop(t *testing.T) {
	t.Parallel()
	shoptest.OnEvery(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at)
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
			{"Commands", commands},
		} {
			if chapter.name == "Commands" && at.Setting("BANYAN_AMQP_URL") != "" {
				continue // they do not use the broker
			}
			t.Run(chapter.name, func(t *testing.T) { chapter.do(t, s) })
		}
		s.Quiet(t)
		s.Audited(t)
	})
}
