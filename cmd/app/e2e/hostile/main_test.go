// Package hostile treats the shop as an enemy would: every route of its own
// document gets what it must refuse, by everybody who can ask. Judged from
// outside: answers, rows that did not change, memory, and the audit.
package hostile

import (
	"os"
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }
