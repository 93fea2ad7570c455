package shoptest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Storm is how much of something a test does: small in "make test", full where
// BANYAN_TEST_STORM=full says so.
func Storm(small, full int) int {
	if os.Getenv("BANYAN_TEST_STORM") == "full" {
		return full
	}
	return small
}

// Signal sends a signal to the process: SIGSTOP makes it a zombie, SIGCONT wakes it.
func (s *Server) Signal(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, s.Cmd.Process.Signal(signal))
}
