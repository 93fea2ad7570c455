package rabbit_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/rabbit/rabbittest"
)

// BenchmarkCall is for profiles; what a call costs beside the limit is measured by
// make bench.
func BenchmarkCall(b *testing.B) {
	conn := rabbittest.Conn(b, func(s *port.Server) { look.Handle(s, newShop().handle) })
	var callers sync.WaitGroup
	work := make(chan int)
	b.ReportAllocs()
	b.ResetTimer()
	for range 16 {
		callers.Go(func() {
			for range work {
				if _, err := look.Call(b.Context(), conn, "x"); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range b.N {
		work <- i
	}
	close(work)
	callers.Wait()
	require.NoError(b, b.Context().Err())
}
