package testenv

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nobody else chooses a port while its server is away, and everybody may afterwards.
func TestPortsAreReserved(t *testing.T) {
	t.Parallel()
	var at string
	t.Run("server", func(t *testing.T) {
		at = fmt.Sprintf("127.0.0.1:%d", Port(t))
		_, err := net.ListenPacket("udp", at)
		require.Error(t, err, "by this another test sees that it is taken")
		l, err := net.Listen("tcp", at)
		require.NoError(t, err)
		require.NoError(t, l.Close())
	})
	var mark net.PacketConn
	require.Eventually(t, func() (free bool) { // a process that was being started held it, too
		var err error
		mark, err = net.ListenPacket("udp", at)
		return err == nil
	}, time.Minute, time.Millisecond)
	require.NoError(t, mark.Close())
}
