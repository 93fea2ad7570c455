package rabbit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/rabbit"
)

// A space, or a colon, may belong to a password.
func TestUsersPasswordsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(path, []byte("# ours\n\n  \norders: a:b \r\n  cart:c\n"), 0o600))
	users, err := rabbit.ReadUsers(path)
	require.NoError(t, err)
	require.Equal(t, rabbit.Users{"orders": " a:b ", "cart": "c"}, users)
}
