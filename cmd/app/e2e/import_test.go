package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// imported is what "app import --json" prints.
type imported struct {
	Products, Created, Changed, Unchanged int
	Refused                               []struct {
		File, Handle, Reason string
		Line                 int
	}
}

func (s site) bring(t *testing.T, code int, files ...string) (got imported) {
	t.Helper()
	r := s.app(t, append([]string{"import", "--json"}, files...)...)
	require.Equal(t, code, r.code, "stdout: %s\nstderr: %s", r.stdout, r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &got), r.stdout)
	return got
}

// TestImport brings products in beside the running shop, and sells one.
func TestImport(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Abs(filepath.Join(root, "internal/shopcsv/testdata"))
	require.NoError(t, err)
	files := []string{filepath.Join(samples, "apparel.csv"), filepath.Join(samples, "home-and-garden.csv")}
	onEach(t, func(t *testing.T, at site) {
		s := serve(t, at)
		got := s.bring(t, 0, files...)
		require.Empty(t, got.Refused)
		require.Equal(t, 40, got.Products)
		require.Equal(t, 40, got.Created)

		const sku = "clay-plant-pot--large"
		product := s.anyone().get(t, "/products/clay-plant-pot")
		require.Equal(t, sku, product.text("variants.1.sku"))
		require.Equal(t, int64(1599), product.number(t, "variants.1.price.amount"))
		require.Equal(t, int64(3), product.number(t, "variants.1.available"))
		order := s.customer(t).buy(t, sku, 2, "tok_visa")
		require.Equal(t, "confirmed", order.text("status"), order.raw)
		require.Equal(t, int64(2*1599), order.number(t, "totals.subtotal.amount"))
		late := s.customer(t).buy(t, sku, 2, "tok_visa")
		require.Equal(t, "stock.insufficient", late.text("reason"), late.raw)

		got = s.bring(t, 0, files...)
		require.Equal(t, 40, got.Unchanged, "%+v", got)
		require.Equal(t, stock{onHand: 1}, s.stock(t, sku), "importing again does not undo sales")

		mixed := filepath.Join(t.TempDir(), "mixed.csv")
		require.NoError(t, os.WriteFile(mixed, []byte("Handle,Title,Option1 Name,Option1 Value,Variant Inventory Qty,Variant Price,Published\n"+
			"good-pot,Good pot,Title,Default Title,4,5.00,true\n"+
			"bad-pot,Bad pot,Title,Default Title,4,free,true\n"+
			"other-pot,Other pot,Title,Default Title,4,6.00,true\n"), 0o600))
		got = s.bring(t, 3, mixed)
		require.Equal(t, 2, got.Created)
		require.Len(t, got.Refused, 1)
		require.Equal(t, "bad-pot", got.Refused[0].Handle)
		require.Equal(t, 3, got.Refused[0].Line)
		require.Equal(t, mixed, got.Refused[0].File)
		require.Contains(t, got.Refused[0].Reason, `"free"`)
		r := s.app(t, "import", mixed)
		require.Equal(t, 3, r.code)
		require.Contains(t, r.stdout, mixed+":3")
		require.Contains(t, r.stdout, "3 products: 0 created, 0 changed, 2 unchanged, 1 refused")
		require.Equal(t, "confirmed", s.customer(t).buy(t, "other-pot", 4, "tok_visa").text("status"))
		require.Equal(t, 1, s.app(t, "import", "no-such-file.csv").code)
		s.audited(t)
	})
}
