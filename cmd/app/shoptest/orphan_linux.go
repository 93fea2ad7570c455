package shoptest

import (
	"os/exec"
	"syscall"
)

// tie ends the process with this one, also where this one has no time to clean
// up: after a time-out of go test.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
