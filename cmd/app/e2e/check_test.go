package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/cmd/app/shoptest"
)

// Who watches a container has nothing but this command to ask with.
func TestCheck(t *testing.T) {
	t.Parallel()
	s := shoptest.Serve(t, shoptest.NewSite(t))
	asked := s.With("BANYAN_OPS_ADDR=" + strings.TrimPrefix(s.Ops, "http://"))
	require.Equal(t, "ok\n", asked.OK(t, "check"))
	require.Zero(t, s.Stop(t))
	r := asked.App(t, "check")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stderr, "does not run")
	require.Equal(t, 2, asked.App(t, "check", "me").Code)
}
