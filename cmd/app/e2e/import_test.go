package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// imported is what "app import --json" prints.
type imported struct {
	Products, Created, Changed, Unchanged int
	Refused                               []struct {
		File, Handle, Reason string
		Line                 int
	}
}

func bring(t *testing.T, s shoptest.Site, code int, files ...string) (got imported) {
	t.Helper()
	r := s.App(t, append([]string{"import", "--json"}, files...)...)
	require.Equal(t, code, r.Code, "stdout: %s\nstderr: %s", r.Stdout, r.Stderr)
	require.NoError(t, json.Unmarshal([]byte(r.Stdout), &got), r.Stdout)
	return got
}

// TestImport brings products in beside the running shop, and sells one.
func TestImport(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Abs(filepath.Join(root, "internal/shopcsv/testdata"))
	require.NoError(t, err)
	files := []string{filepath.Join(samples, "apparel.csv"), filepath.Join(samples, "home-and-garden.csv")}
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		s := shoptest.Serve(t, at)
		got := bring(t, s.Site, 0, files...)
		require.Empty(t, got.Refused)
		require.Equal(t, 40, got.Products)
		require.Equal(t, 40, got.Created)

		const sku = "clay-plant-pot--large"
		var product shoptest.Answer
		shoptest.Until(t, "pricing and inventory are asked in time", func() bool { // a busy shop may leave out what they say
			product = s.Anyone().Get(t, "/products/clay-plant-pot")
			return product.At("variants.1.price.amount") != nil && product.At("variants.1.available") != nil
		})
		require.Equal(t, sku, product.Text("variants.1.sku"))
		require.Equal(t, int64(1599), product.Number(t, "variants.1.price.amount"))
		require.Equal(t, int64(3), product.Number(t, "variants.1.available"))
		order := s.Customer(t).Buy(t, sku, 2, "tok_visa")
		require.Equal(t, "confirmed", order.Text("status"), order.Raw)
		require.Equal(t, int64(2*1599), order.Number(t, "totals.subtotal.amount"))
		late := s.Customer(t).Buy(t, sku, 2, "tok_visa")
		require.Equal(t, "stock.insufficient", late.Text("reason"), late.Raw)

		got = bring(t, s.Site, 0, files...)
		require.Equal(t, 40, got.Unchanged, "%+v", got)
		require.Equal(t, shoptest.Stock{OnHand: 1}, s.Stock(t, sku), "importing again does not undo sales")

		mixed := filepath.Join(t.TempDir(), "mixed.csv")
		require.NoError(t, os.WriteFile(mixed, []byte("Handle,Title,Option1 Name,Option1 Value,Variant Inventory Qty,Variant Price,Published\n"+
			"good-pot,Good pot,Title,Default Title,4,5.00,true\n"+
			"bad-pot,Bad pot,Title,Default Title,4,free,true\n"+
			"other-pot,Other pot,Title,Default Title,4,6.00,true\n"), 0o600))
		got = bring(t, s.Site, 3, mixed)
		require.Equal(t, 2, got.Created)
		require.Len(t, got.Refused, 1)
		require.Equal(t, "bad-pot", got.Refused[0].Handle)
		require.Equal(t, 3, got.Refused[0].Line)
		require.Equal(t, mixed, got.Refused[0].File)
		require.Contains(t, got.Refused[0].Reason, `"free"`)
		r := s.App(t, "import", mixed)
		require.Equal(t, 3, r.Code)
		require.Contains(t, r.Stdout, mixed+":3")
		require.Contains(t, r.Stdout, "3 products: 0 created, 0 changed, 2 unchanged, 1 refused")
		require.Equal(t, "confirmed", s.Customer(t).Buy(t, "other-pot", 4, "tok_visa").Text("status"))
		require.Equal(t, 1, s.App(t, "import", "no-such-file.csv").Code)
		s.Audited(t)
	})
}
