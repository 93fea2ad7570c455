package shoptest

import (
	"bufio"
	"bytes"
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

// Server is a running "app serve".
type Server struct {
	Site
	Shop, Ops string // http://host:port
	Cmd       *exec.Cmd
	Log       *Log
	Exited    chan struct{} // closed when the process is over
	Others    []*Server     // the processes beside it, those that moved out last
	opened    chan string   // gets what the shop greets with
	service   bool          // it is one that moved out, and has no shop
}

// Serve starts a shop with the demo catalogue and waits until it is open. The
// process ends with the test, by SIGTERM, and must leave with exit code 0.
func Serve(t *testing.T, at Site) *Server {
	t.Helper()
	var others []*Server
	if at.Beside != "" {
		other := at.Twin(t)
		other.Here, other.Beside = at.Beside, ""
		others = append(others, opened(t, launch(t, other, "serve", "--modules", other.Here)))
	}
	s := opened(t, Launch(t, at))
	for _, module := range at.Moved {
		others = append(others, s.Moves(t, module))
	}
	s.Others = others
	return s
}

func opened(t *testing.T, s *Server) *Server {
	t.Helper()
	require.True(t, s.Opens(t), "the shop did not start: %s\n%s", s.Cmd.ProcessState, s.Log)
	return s
}

// Launch starts a shop like Serve, and does not wait until it is open.
func Launch(t *testing.T, at Site) *Server {
	t.Helper()
	if len(at.Moved) > 0 {
		at = at.With("BANYAN_PAYMENTS_SANDBOX=on") // the provider does not move along
	}
	if at.Here != "" {
		return launch(t, at, "serve", "--demo", "--modules", at.Here)
	}
	return launch(t, at, "serve", "--demo")
}

func launch(t *testing.T, at Site, args ...string) *Server {
	t.Helper()
	s := &Server{Site: at, Log: &Log{}, Exited: make(chan struct{})}
	s.Cmd = at.Command(context.WithoutCancel(t.Context()), t, args...)
	tee := at.Tee
	if tee == nil {
		tee = io.Discard
	}
	s.Cmd.Stderr = io.MultiWriter(s.Log, tee)
	tie(s.Cmd)
	// A pipe of our own: that of StdoutPipe is closed by Wait before all is read.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	s.Cmd.Stdout = w
	require.NoError(t, s.Cmd.Start())
	require.NoError(t, w.Close())
	s.opened = make(chan string, 1)
	go greeting(r, tee, s.opened)
	go func() {
		_ = s.Cmd.Wait() // how it ended is in ProcessState
		close(s.Exited)
	}()
	t.Cleanup(func() { s.end(t) })
	return s
}

// Again starts what has ended, on its data, and does not wait until it is open.
func (s *Server) Again(t *testing.T) *Server {
	t.Helper()
	again := launch(t, s.Site, s.Cmd.Args[1:]...)
	again.service = s.service
	return again
}

// Opens waits until a launched shop is open; false where its process ended
// before. It is asked once.
func (s *Server) Opens(t *testing.T) bool {
	t.Helper()
	select {
	case text := <-s.opened:
		s.Ops = address(t, "metrics", text)
		if !s.service {
			s.Shop = address(t, "docs", text)
		}
		return true
	case <-s.Exited:
	case <-time.After(Patience):
		t.Fatalf("the shop was not open after %s\n%s", Patience, s.Log)
	}
	return false
}

// greeting reads what the shop prints, tells when it says that it is open, and
// reads on so that it can never block.
func greeting(r *os.File, tee io.Writer, opened chan<- string) {
	defer func() { _ = r.Close() }()
	lines, text := bufio.NewScanner(io.TeeReader(r, tee)), strings.Builder{}
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Stop with") {
			opened <- text.String()
			break
		}
	}
	_, _ = io.Copy(tee, r)
}

func address(t *testing.T, what, greeting string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\s+` + what + `\s+(http://[^/]+)/`).FindStringSubmatch(greeting)
	require.NotNil(t, found, "no address of %s in: %s", what, greeting)
	return found[1]
}

// Kill ends the process at once, as a crash would.
func (s *Server) Kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.Cmd.Process.Kill())
	<-s.Exited
}

// Stop asks the process to stop and gives its exit code.
func (s *Server) Stop(t *testing.T) int {
	t.Helper()
	require.NoError(t, s.Cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.Exited:
	case <-time.After(Patience):
		_ = s.Cmd.Process.Kill()
		t.Fatalf("the shop did not stop within %s\n%s", Patience, s.Log)
	}
	return s.Cmd.ProcessState.ExitCode()
}

// end stops a process that still runs, and shows its log when the test failed.
func (s *Server) end(t *testing.T) {
	select {
	case <-s.Exited: // killed or stopped by the test, or crashed
		status, _ := s.Cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed := status.Signaled() && status.Signal() == syscall.SIGKILL
		if !killed && !s.Cmd.ProcessState.Success() {
			t.Errorf("the shop ended: %s", s.Cmd.ProcessState)
		}
	default:
		if code := s.Stop(t); code != 0 {
			t.Errorf("the shop left with exit code %d after SIGTERM", code)
		}
	}
	for _, said := range trespasses {
		if n := s.Log.Seen(said); n > 0 {
			seen, _ := os.ReadFile(s.Setting("BANYAN_BOUNDARIES_FILE")) // where there is none, the log has to do
			t.Errorf("the guard of the databases said %d times: %s\n%s", n, said, seen)
		}
	}
	if t.Failed() {
		t.Logf("log of the shop:\n%s", s.Log)
	}
}

// AdminPassword is the password of the demo's admin.
func (s *Server) AdminPassword(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.Data, "demo-admin-password"))
	require.NoError(t, err)
	return strings.TrimSpace(string(raw))
}

// Log keeps what a process wrote, the last part of it when that is much.
type Log struct {
	mu     sync.Mutex
	text   []byte
	counts map[string]int // of the words that are looked for
	rest   []byte         // the line that is not whole yet
}

const logLimit = 64 << 10 // bytes

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.look(p)
	l.text = append(l.text, p...)
	if len(l.text) > 2*logLimit {
		l.text = append([]byte(nil), l.text[len(l.text)-logLimit:]...)
	}
	return len(p), nil
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// watched are the words that every log is searched for, also where the text
// itself is given up.
var watched = append([]string{"database is locked", "SQLITE_BUSY", "panic", "DATA RACE", "superfluous"}, trespasses...)

// trespasses are what the guard of the databases says of a module that reaches for
// what is not its own. No shop may ever do so.
var trespasses = []string{"statement touches another module's table", "transaction crosses modules"}

// look counts the watched words of whole lines: a write may end within one.
func (l *Log) look(p []byte) {
	text := append(l.rest, p...)
	cut := bytes.LastIndexByte(text, '\n') + 1
	if len(text)-cut > logLimit {
		cut = len(text) // no line is as long as this
	}
	for _, word := range watched {
		if n := bytes.Count(text[:cut], []byte(word)); n > 0 {
			if l.counts == nil {
				l.counts = map[string]int{}
			}
			l.counts[word] += n
		}
	}
	l.rest = append([]byte(nil), text[cut:]...)
}

// Seen counts how often a watched word was written.
func (l *Log) Seen(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[word]
}
