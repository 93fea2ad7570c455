// Package e2e tries the shop as its users do: the real binary as a process of
// its own, spoken to over HTTP and by its command line, on SQLite and on
// PostgreSQL.
package e2e

import (
	"os"
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// root is the repository.
const root = "../../.."

func TestMain(m *testing.M) { os.Exit(shoptest.Main(m)) }
