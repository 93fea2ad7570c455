package shoptest

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/stretchr/testify/require"

	"github.com/banyan-tree/banyan/internal/testenv"
)

// Postgres is a database server of a test's own, which it may kill. It writes to
// the disk for good, as the one of a shop does.
type Postgres struct {
	URL string

	bin, dir string
	port     int
	owner    *syscall.Credential // nil: this user
	cmd      *exec.Cmd
	log      *Log
	exited   chan struct{}
}

// StartPostgres makes a cluster on a port of its own. Without PostgreSQL's
// programs on this machine the test is skipped.
func StartPostgres(t *testing.T) *Postgres {
	t.Helper()
	p := &Postgres{bin: programs(), log: &Log{}}
	if p.bin == "" {
		testenv.Skip(t, "PostgreSQL's programs", "initdb is neither in a usual folder nor in PATH")
	}
	dir, err := os.MkdirTemp("", "banyan-postgres-") // t.TempDir is closed to other users
	require.NoError(t, err)
	p.dir = dir
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 { // initdb refuses root
		p.owner = account(t, dir)
	}
	init := p.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "banyan", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	out, err := init.CombinedOutput()
	require.NoError(t, err, "%s", out)
	p.port = testenv.Port(t)
	p.URL = fmt.Sprintf("postgres://banyan@127.0.0.1:%d/postgres?sslmode=disable", p.port)
	t.Cleanup(func() {
		p.Stop(t, syscall.SIGQUIT)
		if t.Failed() {
			t.Logf("log of PostgreSQL:\n%s", p.log)
		}
	})
	p.Start(t)
	return p
}

// programs is the folder of the newest PostgreSQL of this machine, "" for none.
func programs() string {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/usr/local/pgsql/bin"} {
		dirs, _ := filepath.Glob(pattern) // the patterns are good
		found = append(found, dirs...)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	found = slices.DeleteFunc(found, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "initdb"))
		return err != nil
	})
	if len(found) == 0 {
		return ""
	}
	return slices.Max(found)
}

// account gives the folder to the user that PostgreSQL runs as.
func account(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		testenv.Skip(t, "a user for PostgreSQL", "we are root and there is no user postgres")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (p *Postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	tie(cmd)
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = p.owner
	return cmd
}

// Start runs the server and waits until it answers. After a kill the remains of
// the last one may have to go first, so it is tried again.
func (p *Postgres) Start(t *testing.T) {
	t.Helper()
	Until(t, "PostgreSQL answers", func() bool {
		if p.cmd == nil || p.over() {
			p.launch(t)
		}
		return p.ping(t) == nil
	})
}

func (p *Postgres) launch(t *testing.T) {
	t.Helper()
	p.exited = make(chan struct{})
	p.cmd = p.command("postgres", "-D", filepath.Join(p.dir, "data"), "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=on", "-c", "synchronous_commit=on",
		"-c", "max_connections=120", "-c", "shared_buffers=32MB")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	require.NoError(t, p.cmd.Start())
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait() // it was killed
		close(exited)
	}(p.cmd, p.exited)
}

func (p *Postgres) over() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *Postgres) ping(t *testing.T) error {
	db, err := sql.Open("pgx", p.URL)
	if err != nil {
		return err
	}
	return errors.Join(db.PingContext(t.Context()), db.Close())
}

// Stop ends the server with a signal: SIGQUIT is "pg_ctl stop -m immediate", and
// SIGKILL leaves it no time at all. The server recovers from its log at the next Start.
func (p *Postgres) Stop(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if p.cmd == nil || p.over() {
		return
	}
	require.NoError(t, p.cmd.Process.Signal(signal))
	select {
	case <-p.exited:
	case <-time.After(Patience):
		_ = p.cmd.Process.Kill()
		t.Errorf("PostgreSQL did not stop within %s", Patience)
	}
}
