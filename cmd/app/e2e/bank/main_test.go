// Package bank moves money in and out of many wallets while the shop is killed,
// read and rebuilt, and adds everything up from outside: the answers that movers
// got, the provider's ledger, and what readers see must agree at all times.
package bank

import (
	"os"
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }
