// Package story plays one recorded story to the shop on every wiring: in one
// process on SQLite and on PostgreSQL, with every call and event over RabbitMQ, and
// in two processes with payments moved out. Each answer, every event and the
// provider's ledger must be the same on all, but for ids, times and numbers.
//
// The story is testdata/script.jsonl, a step a line: written by hand in the
// chapters here, and by a generator with a fixed seed. What the shop made of it is
// testdata/golden.txt, recorded in one process on SQLite. Make both anew by
// BANYAN_TEST_UPDATE=1 BANYAN_TEST_STORM=full go test ./cmd/app/e2e/story
package story

import (
	"os"
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }
