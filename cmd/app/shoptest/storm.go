package shoptest

import (
	"math/rand/v2"
	"os"
	"strconv"
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

// Seed is where the randomness of one test begins. It is logged: BANYAN_TEST_SEED
// repeats the same choices.
func Seed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("BANYAN_TEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "BANYAN_TEST_SEED")
	}
	t.Logf("BANYAN_TEST_SEED=%d", seed)
	return seed
}

// Signal sends a signal to the process: SIGSTOP makes it a zombie, SIGCONT wakes it.
func (s *Server) Signal(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, s.Cmd.Process.Signal(signal))
}
