//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// outliveFileLimit makes a write beyond the limit of a file's size an error, like
// one to a full disk. Without it the process would be ended.
func outliveFileLimit() { signal.Ignore(syscall.SIGXFSZ) }
