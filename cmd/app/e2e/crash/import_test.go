package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// imported is what "app import --json" prints.
type imported struct{ Products, Created, Changed, Unchanged int }

// TestImport kills an import at random moments and repeats it: the shelf is
// then as after an undisturbed one, and no product was ever half there.
func TestImport(t *testing.T) {
	t.Parallel()
	products, kills, hits := shoptest.Storm(300, 3000), shoptest.Storm(4, 30), shoptest.Storm(1, 15)
	file := filepath.Join(t.TempDir(), "products.csv")
	require.NoError(t, os.WriteFile(file, []byte(export(products)), 0o600))
	shoptest.OnEach(t, func(t *testing.T, at shoptest.Site) {
		dice := chance(t)
		s := shoptest.Serve(t, at)
		took, hit := 400*time.Millisecond, 0
		for n := 0; n < kills || hit < hits && n < 10*kills; n++ {
			cmd := at.Command(context.WithoutCancel(t.Context()), t, "import", file)
			require.NoError(t, cmd.Start())
			over := make(chan error, 1)
			go func() { over <- cmd.Wait() }()
			began := time.Now()
			select {
			case <-over: // faster than the kill: the next comes sooner
				took = time.Since(began)
			case <-time.After(time.Duration(dice.Int64N(int64(took)))):
				if err := cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) { // which it was at that very moment
					require.NoError(t, err)
					hit++
				}
				<-over
				took += 200 * time.Millisecond // the next may come later
			}
			for handle, variants := range half(shelf(t, s)) {
				require.Equal(t, 2, variants, "%s is half there", handle)
			}
		}
		require.GreaterOrEqual(t, hit, hits, "too few kills hit an import")
		var first, again imported
		at.JSON(t, &first, "import", "--json", file)
		require.Equal(t, products, first.Products)
		require.Equal(t, products, first.Created+first.Changed+first.Unchanged)
		at.JSON(t, &again, "import", "--json", file)
		require.Equal(t, imported{Products: products, Unchanged: products}, again)
		wanted := []string{}
		for i := range products {
			for v := range 2 {
				wanted = append(wanted, fmt.Sprintf("pot-%04d Pot %d pot-%04d-%d %d %d", i, i, i, v, 500+100*v, 7+v))
			}
		}
		becomes(t, wanted, s, func(line string) bool { return strings.HasPrefix(line, "pot-") }, "after the last import")
		s.Quiet(t)
		s.Audited(t)
		t.Logf("%d kills hit the import of %d products", hit, products)
	})
}

// half counts the variants of each imported product on the shelf.
func half(lines []string) map[string]int {
	found := map[string]int{}
	for _, line := range lines {
		if strings.HasPrefix(line, "pot-") {
			handle, _, _ := strings.Cut(line, " ")
			found[handle]++
		}
	}
	return found
}

// export is a file of products with two variants each.
func export(n int) string {
	var b strings.Builder
	b.WriteString("Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price,Published\n")
	for i := range n {
		fmt.Fprintf(&b, "pot-%04d,Pot %d,Size,Small,pot-%04d-0,7,5.00,true\n", i, i, i)
		fmt.Fprintf(&b, "pot-%04d,,Size,Large,pot-%04d-1,8,6.00,true\n", i, i)
	}
	return b.String()
}
