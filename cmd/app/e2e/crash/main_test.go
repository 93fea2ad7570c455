// Package crash kills the shop: at random moments in a storm of orders, at each
// named point of a checkout, and while it migrates, imports and relays events.
// What became of everything is judged from outside.
package crash

import (
	"os"
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }
