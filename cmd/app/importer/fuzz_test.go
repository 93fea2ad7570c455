package importer_test

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/importer"
	"github.com/banyan-tree/banyan/modules/catalog/catalogtest"
	"github.com/banyan-tree/banyan/modules/inventory/inventorytest"
	"github.com/banyan-tree/banyan/modules/pricing/pricingtest"
)

// FuzzRun imports any file into a shop in memory, twice: it ends, every product is
// accounted for, each refusal has its line and reason, and the second time changes
// nothing.
func FuzzRun(f *testing.F) {
	for _, name := range []string{"apparel", "home-and-garden"} {
		raw, err := os.ReadFile("../../../internal/shopcsv/testdata/" + name + ".csv")
		require.NoError(f, err)
		f.Add(string(raw))
	}
	f.Fuzz(func(t *testing.T, in string) {
		products := catalogtest.NewFake()
		s := importer.Services{Catalog: products, Pricing: pricingtest.NewFake(products, nil), Inventory: inventorytest.NewFake()}
		do := func() (importer.Report, error) {
			return importer.Run(t.Context(), importer.Options{Reader: strings.NewReader(in), Currency: "USD", Services: s, BatchSize: 2})
		}
		first, err := do()
		if err != nil {
			require.ErrorContains(t, err, "import: ")
			require.Zero(t, first.Products, "only a bad first line ends an import")
			return
		}
		require.Equal(t, first.Products, first.Created+first.Changed+first.Unchanged+len(first.Refused))
		lines := strings.Count(in, "\n") + 1
		for _, r := range first.Refused {
			require.True(t, r.Line > 1 && r.Line <= lines, r.Line)
			require.NotEmpty(t, r.Reason)
			require.True(t, utf8.ValidString(r.Reason), "%q can be printed", r.Reason)
			require.Less(t, len(r.Reason), 4000)
		}
		second, err := do()
		require.NoError(t, err)
		require.Zero(t, second.Created)
		require.Zero(t, second.Changed)
		require.Equal(t, first.Created+first.Changed+first.Unchanged, second.Unchanged)
		require.Equal(t, first.Refused, second.Refused)
	})
}
