package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Port finds a TCP port of the loopback address for a server that may go away and come
// back. It is none of those that systems give to whoever asks for any (32768 and up on
// Linux): such a one may be somebody else's by then. Until the test ends its number is
// taken for UDP, which the server does not use: so no other test chooses it, of this
// process or another one.
func Port(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		at := fmt.Sprintf("127.0.0.1:%d", port)
		mark, err := net.ListenPacket("udp", at)
		if err != nil {
			continue
		}
		// Not by listening: a process that is being started at this moment would hold the
		// socket for a while after we closed it, and the server would find the port taken.
		if c, err := net.DialTimeout("tcp", at, time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
			if err == nil {
				_ = c.Close()
			}
			require.NoError(t, mark.Close())
			continue
		}
		t.Cleanup(func() { _ = mark.Close() })
		return port
	}
	require.FailNow(t, "no free port was found")
	return 0
}
