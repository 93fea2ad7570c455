package crash

import (
	"fmt"
	"slices"
	"testing"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// shelf is all that is for sale, one line a variant.
func shelf(t *testing.T, s *shoptest.Server) []string {
	t.Helper()
	var lines []string
	for path := "/products?limit=100"; ; {
		page := s.Anyone().Get(t, path)
		for i := 0; page.At(fmt.Sprintf("items.%d", i)) != nil; i++ {
			p := s.Anyone().Get(t, "/products/"+page.Text(fmt.Sprintf("items.%d.handle", i)))
			for n := 0; p.At(fmt.Sprintf("variants.%d", n)) != nil; n++ {
				v := fmt.Sprintf("variants.%d.", n)
				lines = append(lines, fmt.Sprintf("%s %s %v %v %v", p.Text("handle"), p.Text("title"),
					p.At(v+"sku"), p.At(v+"price.amount"), p.At(v+"available")))
			}
		}
		if page.Text("next_cursor") == "" {
			slices.Sort(lines)
			return lines
		}
		path = "/products?limit=100&cursor=" + page.Text("next_cursor")
	}
}
