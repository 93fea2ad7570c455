package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/modules/wallet"
	"github.com/banyan-tree/banyan/modules/wallet/internal/core"
	"github.com/banyan-tree/banyan/modules/wallet/wallettest"
)

// A period that ends before it begins is told where it was given: in the query.
func TestPeriodThatEndsBeforeItBegins(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	_, err := new(core.Service).Statement(wallettest.Customer(t.Context(), "ada"), wallet.StatementRequest{
		UserID: "ada", From: from, Until: from.Add(-time.Second), Limit: 1,
	})
	require.ErrorIs(t, err, wallet.InvalidRequest)
	require.Equal(t, []fault.Field{{Pointer: "query/until", Detail: "give an instant after from"}}, fault.From(err).Fields)
}
