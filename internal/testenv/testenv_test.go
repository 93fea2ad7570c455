package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What another test shows is never required, and left out no less loudly.
func TestInsteadIsLoud(t *testing.T) {
	list := filepath.Join(t.TempDir(), "skipped")
	t.Setenv("BANYAN_TEST_SKIPPED", list)
	t.Setenv("BANYAN_TEST_REQUIRE", "all")
	t.Run("one", func(t *testing.T) {
		Instead(t, "the moon", "TestSun shows the same")
		t.Error("it went on")
	})
	text, err := os.ReadFile(list)
	require.NoError(t, err)
	require.Equal(t, "SKIPPED TestInsteadIsLoud/one: needs the moon: TestSun shows the same\n", string(text))
}
