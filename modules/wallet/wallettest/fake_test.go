package wallettest_test

import (
	"reflect"
	"testing"

	"github.com/banyan-tree/banyan/internal/port"
	"github.com/banyan-tree/banyan/internal/port/porttest"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

func TestFakeConforms(t *testing.T) {
	t.Parallel()
	var h wallettest.Harness
	porttest.Ways(t, func(s *port.Server) {
		h = wallettest.NewFake().Harness()
		wallet.Serve(s, h.Service)
	}, func(t *testing.T, conn *port.Conn) {
		over := h
		over.Service = wallet.NewClient(conn)
		wallettest.Exercise(t, over)
		wallettest.ExerciseDeposits(t, over)
	})
}

func TestPortValuesAreTheContract(t *testing.T) {
	t.Parallel()
	porttest.Complete(t, reflect.TypeFor[wallet.Service](), porttest.Served(func(s *port.Server) {
		wallet.Serve(s, wallettest.NewFake())
	})...)
}
