package crash

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// becomes demands what is for sale, of which only some lines may count. A shop that
// is busy leaves a price out that pricing does not tell in time, so it is asked again.
func becomes(t *testing.T, want []string, s *shoptest.Server, some func(line string) bool, message string, args ...any) {
	t.Helper()
	var got []string
	deadline := time.Now().Add(shoptest.Patience / 2)
	shoptest.Until(t, "the shelf is as it should be", func() bool {
		got = slices.DeleteFunc(shelf(t, s), func(line string) bool { return !some(line) })
		return slices.Equal(want, got) || time.Now().After(deadline)
	})
	require.Equal(t, want, got, append([]any{message}, args...)...)
}

func anything(string) bool { return true }

// shelf is all that is for sale, one line a variant.
func shelf(t *testing.T, s *shoptest.Server) []string {
	t.Helper()
	var lines []string
	anyone := s.Anyone() // one connection, of the thousand that the shop takes
	for path := "/products?limit=100"; ; {
		page := anyone.Get(t, path)
		for i := 0; page.At(fmt.Sprintf("items.%d", i)) != nil; i++ {
			p := anyone.Get(t, "/products/"+page.Text(fmt.Sprintf("items.%d.handle", i)))
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
