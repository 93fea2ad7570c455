package e2e

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a running "app serve".
type server struct {
	site
	shop, ops string // http://host:port
	cmd       *exec.Cmd
	log       *logged
	exited    chan struct{} // closed when the process is over
}

// serve starts a shop with the demo catalogue and waits until it is open. The
// process ends with the test, by SIGTERM, and must leave with exit code 0.
func serve(t *testing.T, at site) *server {
	t.Helper()
	s := &server{site: at, log: &logged{}, exited: make(chan struct{})}
	s.cmd = at.command(context.WithoutCancel(t.Context()), t, "serve", "--demo")
	s.cmd.Stderr = s.log
	tie(s.cmd)
	// A pipe of our own: that of StdoutPipe is closed by Wait before all is read.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	s.cmd.Stdout = w
	require.NoError(t, s.cmd.Start())
	require.NoError(t, w.Close())
	opened := make(chan string, 1)
	go greeting(r, opened)
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.exited)
	}()
	t.Cleanup(func() { s.end(t) })
	s.await(t, opened)
	return s
}

func (s *server) await(t *testing.T, opened <-chan string) {
	t.Helper()
	select {
	case text := <-opened:
		s.shop, s.ops = address(t, "docs", text), address(t, "metrics", text)
	case <-s.exited:
		t.Fatalf("the shop did not start: %s\n%s", s.cmd.ProcessState, s.log)
	case <-time.After(patience):
		t.Fatalf("the shop was not open after %s\n%s", patience, s.log)
	}
}

// greeting reads what the shop prints, tells when it says that it is open, and
// reads on so that it can never block.
func greeting(r *os.File, opened chan<- string) {
	defer func() { _ = r.Close() }()
	lines, text := bufio.NewScanner(r), strings.Builder{}
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Stop with") {
			opened <- text.String()
			break
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

func address(t *testing.T, what, greeting string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\s+` + what + `\s+(http://[^/]+)/`).FindStringSubmatch(greeting)
	require.NotNil(t, found, "no address of %s in: %s", what, greeting)
	return found[1]
}

// kill ends the process at once, as a crash would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Kill())
	<-s.exited
}

// stop asks the process to stop and gives its exit code.
func (s *server) stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		t.Fatalf("the shop did not stop within %s\n%s", patience, s.log)
	}
	return s.cmd.ProcessState.ExitCode()
}

// end stops a process that still runs, and shows its log when the test failed.
func (s *server) end(t *testing.T) {
	select {
	case <-s.exited: // killed or stopped by the test, or crashed
		status, _ := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed := status.Signaled() && status.Signal() == syscall.SIGKILL
		if !killed && !s.cmd.ProcessState.Success() {
			t.Errorf("the shop ended: %s", s.cmd.ProcessState)
		}
	default:
		if code := s.stop(t); code != 0 {
			t.Errorf("the shop left with exit code %d after SIGTERM", code)
		}
	}
	if t.Failed() {
		t.Logf("log of the shop:\n%s", s.log)
	}
}

// demoPassword is the password of the demo's admin.
func (s *server) demoPassword(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.data, "demo-admin-password"))
	require.NoError(t, err)
	return strings.TrimSpace(string(raw))
}

// logged keeps what a process wrote, the last part of it when that is much.
type logged struct {
	mu   sync.Mutex
	text []byte
}

const logLimit = 64 << 10 // bytes

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > 2*logLimit {
		l.text = append([]byte(nil), l.text[len(l.text)-logLimit:]...)
	}
	return len(p), nil
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
