package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Process ids are given again: what a file of a dead broker names may be somebody
// else by now.
func TestStopEndsNobodyElse(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skip("a system without /proc does not tell whose a process is")
	}
	for name, of := range map[string]struct{ folder, spared bool }{"another's": {false, true}, "its own": {true, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "banyan-rabbitmq.test")
			require.NoError(t, os.Mkdir(dir, 0o700))
			other := exec.Command("cat") // runs until its input ends
			input, err := other.StdinPipe()
			require.NoError(t, err)
			if other.Dir = t.TempDir(); of.folder {
				other.Dir = dir
			}
			require.NoError(t, other.Start())
			require.NoError(t, os.WriteFile(filepath.Join(dir, "serve.pid"), []byte(strconv.Itoa(other.Process.Pid)), 0o600))
			ended := make(chan error, 1)
			go func() { ended <- other.Wait() }() // so that it is gone when it has ended
			stop := exec.Command("sh", ciScript(t, "rabbitmq"), "stop")
			stop.Env = append(os.Environ(), "BANYAN_TEST_RABBITMQ="+dir)
			out, err := stop.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.NoDirExists(t, dir)
			_ = input.Close() // one that was spared ends well
			require.Equal(t, of.spared, <-ended == nil)
		})
	}
}
