package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/banyan-tree/banyan/modules/payments"
)

// Whatever is told in whatever order, no more is given back than was taken, no
// more taken than set aside, and events count up by one.
func TestPaymentKeepsItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Payment{ID: "p", UserID: "u", Status: payments.Pending, Amount: rapid.Int64Range(0, 1000).Draw(t, "amount"), Currency: "USD"}
		var promised []int64
		t.Repeat(map[string]func(*rapid.T){
			"authorise": func(*rapid.T) { p.Authorise("ch") },
			"decline":   func(*rapid.T) { p.Decline("", "no") },
			"capture":   func(*rapid.T) { p.Capture("ch") },
			"give up":   func(*rapid.T) { p.GiveUp() },
			"void":      func(*rapid.T) { p.Void("ch") },
			"reserve": func(t *rapid.T) {
				amount := rapid.Int64Range(1, 1200).Draw(t, "refund")
				left := p.Left()
				err := p.Reserve(amount)
				require.Equal(t, err == nil, amount <= left && (p.Status == payments.Captured || p.Status == payments.Refunded))
				if err == nil {
					promised = append(promised, amount)
				}
			},
			"settle": func(t *rapid.T) {
				if len(promised) == 0 {
					t.Skip("nothing is promised")
				}
				if rapid.Bool().Draw(t, "done") {
					p.SettleRefund(promised[0])
				} else {
					p.ReleaseRefund(promised[0])
				}
				promised = promised[1:]
			},
			"": func(t *rapid.T) {
				require.GreaterOrEqual(t, p.RefundPending, int64(0))
				require.LessOrEqual(t, p.Refunded+p.RefundPending, p.Captured)
				require.LessOrEqual(t, p.Captured, p.Amount)
				require.EqualValues(t, len(p.News()), p.Version)
				for i, e := range p.News() {
					require.EqualValues(t, i+1, e.Version)
				}
				if p.Status == payments.Voided || p.Status == payments.DeclinedBy {
					require.Zero(t, p.Captured)
				}
			},
		})
	})
}

func TestPauseGrowsWithJitterAndHasAnEnd(t *testing.T) {
	t.Parallel()
	for attempts := range 100 {
		for range 20 {
			d := pause(attempts)
			require.Positive(t, d)
			require.LessOrEqual(t, d, parkedPause)
			if attempts < parkAfter {
				require.LessOrEqual(t, d, longestWait+longestWait/10)
			}
		}
	}
}
