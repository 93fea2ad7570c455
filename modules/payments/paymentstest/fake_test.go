package paymentstest_test

import (
	"testing"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/modules/payments"
	"github.com/banyan-tree/banyan/modules/payments/paymentstest"
)

func TestFakeConforms(t *testing.T) {
	t.Parallel()
	var h paymentstest.Harness
	porttest.Ways(t, func(s *port.Server) {
		h = paymentstest.NewFake().Harness()
		payments.Serve(s, h.Service)
	}, func(t *testing.T, conn *port.Conn) {
		over := h
		over.Service = payments.NewClient(conn)
		paymentstest.Exercise(t, over)
	})
}
