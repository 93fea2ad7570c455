package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
	"modernc.org/sqlite"
)

const (
	readers    = 4
	busyMillis = 10_000 // for other processes; inside this one writers queue for the one connection
)

// pragma is a setting of a connection and what reading it back must give.
// SQLite ignores a misspelt pragma without a word.
type pragma struct{ name, set, want string }

var (
	writerPragmas = []pragma{
		{"busy_timeout", fmt.Sprint(busyMillis), fmt.Sprint(busyMillis)},
		{"journal_mode", "WAL", "wal"},
		{"synchronous", "FULL", "2"},
		{"foreign_keys", "1", "1"},
		// Pages that change often are copied into the file once for several times that
		// they changed: 16 MB of WAL instead of 4.
		{"wal_autocheckpoint", "4000", "4000"},
		{"journal_size_limit", "67108864", "67108864"}, // bytes; the WAL shrinks back to this
	}
	readerPragmas = append(writerPragmas[:len(writerPragmas):len(writerPragmas)], pragma{"query_only", "1", "1"})
)

// How commits wait for the disk, or do not. In WAL mode NORMAL never harms the
// file: at worst its last transactions are gone after the machine died, and a later
// commit with FULL brings them along.
const (
	waitForDisk     = "PRAGMA synchronous = FULL"
	dontWaitForDisk = "PRAGMA synchronous = NORMAL"
)

func makeDir(dir string, existing bool) error {
	if dir == "" || strings.Contains(dir, "?") {
		return fmt.Errorf("open SQLite files: the folder %q cannot be used: name one, without a question mark", dir)
	}
	if existing {
		there, err := exists(dir)
		if err == nil && !there {
			err = fmt.Errorf("%w in %s: there is no such folder", ErrNoData, absolute(dir))
		}
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("open SQLite files: %w", err)
	}
	return nil
}

func exists(path string) (bool, error) {
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for SQLite files: %w", err)
	}
	return true, nil
}

// absolute is path for who reads it in another folder than ours.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

func (c *Cluster) openSQLite(ctx context.Context, name string, _ int) (*DB, error) {
	path := filepath.Join(c.cfg.Dir, name+".db")
	there, err := exists(path)
	if err != nil {
		return nil, err
	}
	if !there && c.cfg.Existing {
		return nil, fmt.Errorf("%w in %s: there is no %s", ErrNoData, absolute(c.cfg.Dir), filepath.Base(path))
	}
	write, err := sqlitePool(ctx, path, 1, writerPragmas)
	if err != nil {
		return nil, err
	}
	read, err := sqlitePool(ctx, path, readers, readerPragmas)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	begun := ""
	if !there {
		begun = absolute(path)
	}
	return &DB{
		module: name, dialect: SQLite, read: read, write: write, begin: "BEGIN IMMEDIATE", begun: begun,
		dial: sqliteDialect{pool: read}, turns: semaphore.NewWeighted(1),
		migrator: func(ctx context.Context) (*sql.DB, func() error, error) {
			release, err := lockFile(ctx, path+".migrate")
			return write, release, err
		},
	}, nil
}

// sqlitePool opens a pool and proves that a connection of it has its settings.
func sqlitePool(ctx context.Context, path string, size int, pragmas []pragma) (*sql.DB, error) {
	// The driver would make the file readable for all; WAL and shared memory
	// inherit its mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the file of the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("make the file of the database: %w", err)
	}
	pool := sql.OpenDB(newSQLiteConnector(path, pragmas))
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxLifetime(time.Hour)
	pool.SetConnMaxIdleTime(30 * time.Minute)
	err = pool.PingContext(ctx)
	// Several processes may turn a new file to WAL at once, for which SQLite does
	// not wait.
	for tries := 0; err != nil && sqliteCode(err)&0xff == sqliteBusy && tries < 50; tries++ {
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), pool.Close())
		case <-time.After(100 * time.Millisecond):
		}
		err = pool.PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), pool.Close())
	}
	return pool, nil
}

// sqliteConnector opens connections and reads their settings back, each time.
type sqliteConnector struct {
	driver  driver.Driver
	dsn     string
	pragmas []pragma
}

func newSQLiteConnector(path string, pragmas []pragma) *sqliteConnector {
	query := url.Values{"_txlock": {"immediate"}}
	for _, p := range pragmas {
		query.Add("_pragma", p.name+"("+p.set+")")
	}
	return &sqliteConnector{driver: &sqlite.Driver{}, dsn: path + "?" + query.Encode(), pragmas: pragmas}
}

// Driver implements driver.Connector.
func (c *sqliteConnector) Driver() driver.Driver { return c.driver }

// Connect implements driver.Connector.
func (c *sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	for _, p := range c.pragmas {
		got, err := readPragma(ctx, conn, p.name)
		if err == nil && got != p.want {
			err = fmt.Errorf("SQLite did not take the setting %s(%s): reading it back gives %q instead of %q; "+
				"is the file on a local disk that supports locking and shared memory?", p.name, p.set, got, p.want)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	able, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(errNoStatement, conn.Close())
	}
	return newPrepared(able), nil
}

func readPragma(ctx context.Context, conn driver.Conn, name string) (string, error) {
	queryer, ok := conn.(driver.QueryerContext)
	if !ok {
		return "", errors.New("read settings of SQLite: the driver cannot query")
	}
	rows, err := queryer.QueryContext(ctx, "PRAGMA "+name, nil)
	if err != nil {
		return "", fmt.Errorf("read setting %s of SQLite: %w", name, err)
	}
	defer func() { _ = rows.Close() }()
	if len(rows.Columns()) == 0 {
		return "", nil // no such setting
	}
	row := make([]driver.Value, len(rows.Columns()))
	switch err := rows.Next(row); {
	case errors.Is(err, io.EOF):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read setting %s of SQLite: %w", name, err)
	}
	return fmt.Sprint(row[0]), nil
}

// lockFile keeps other processes out until release. The lock is an exclusive
// transaction on a SQLite file of its own, because that works on every system
// and ends with the process.
func lockFile(ctx context.Context, path string) (release func() error, err error) {
	pool, err := sqlitePool(ctx, path, 1, []pragma{{"busy_timeout", "100", "100"}})
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	for {
		_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
		if err == nil {
			return func() error {
				_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
				return errors.Join(err, conn.Close(), pool.Close())
			}, nil
		}
		if ctx.Err() != nil || sqliteCode(err)&0xff != sqliteBusy {
			return nil, errors.Join(fmt.Errorf("wait for %s: %w", path, err), ctx.Err(), conn.Close(), pool.Close())
		}
	}
}
