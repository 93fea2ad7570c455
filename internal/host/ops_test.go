package host

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who cannot listen is told what to do about the very reason.
func TestListenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	taken, err := Listen("ops.addr", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	const other, foreign = "if another process runs there, choose another address with BANYAN_OPS_ADDR", "that is no address of this machine"
	for addr, says := range map[string]string{
		taken.Addr().String(): other,
		"192.0.2.1:0":         foreign, // RFC 5737: nobody has it
		"no-such.invalid:0":   foreign, // RFC 6761: never a name
	} {
		l, err := Listen("ops.addr", addr)
		if err == nil { // a machine that takes any name for its own
			require.NoError(t, l.Close())
			continue
		}
		require.ErrorContains(t, err, says, addr)
		require.ErrorContains(t, err, "BANYAN_OPS_ADDR")
		if says == foreign {
			require.NotContains(t, err.Error(), "another process")
		}
	}
}
