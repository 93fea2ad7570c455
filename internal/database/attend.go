package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Attend makes this process one of the servers of these data until Close, or
// until it dies in whatever way. Where no other server lives, alone is called
// before: claims that are still written down then belong to nobody. While it
// runs no other server begins to attend.
//
// With PostgreSQL a server whose connection was cut counts as gone although it
// lives, so alone may only do what is safe beside a server that woke up.
func (c *Cluster) Attend(ctx context.Context, alone func(ctx context.Context) error) error {
	attend := c.attendSQLite
	if c.pg != nil {
		attend = c.attendPostgres
	}
	leave, err := attend(ctx, alone)
	if err != nil {
		return fmt.Errorf("attend %s: %w", c.Describe(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave = append(c.leave, leave)
	return nil
}

// attendSQLite reads a file of its own for as long as it lives: SQLite's locks
// work on every system and end with the process.
func (c *Cluster) attendSQLite(ctx context.Context, alone func(ctx context.Context) error) (leave func() error, err error) {
	pool, err := sqlitePool(ctx, filepath.Join(c.cfg.Dir, "servers.lock"), 1, []pragma{{"busy_timeout", "100", "100"}})
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	leave = func() error { return errors.Join(conn.Close(), pool.Close()) }
	_, err = conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	switch {
	case err == nil:
		err = alone(ctx)
		if _, end := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
			err = end
		}
	case sqliteCode(err)&0xff == sqliteBusy:
		err = nil // others are there
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "BEGIN")
	}
	for err == nil {
		if err = share(ctx, conn); err == nil {
			return leave, nil
		}
		if sqliteCode(err)&0xff == sqliteBusy && ctx.Err() == nil {
			err = nil // somebody is alone for a moment
		}
	}
	return nil, errors.Join(err, leave())
}

// share takes the shared lock of the file by reading in the open transaction.
func share(ctx context.Context, conn *sql.Conn) error {
	var n int
	return conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n)
}

// attendPostgres holds a session's advisory lock, shared with the other servers.
func (c *Cluster) attendPostgres(ctx context.Context, alone func(ctx context.Context) error) (leave func() error, err error) {
	pool := c.pg.pool("pg_catalog", "", 1, map[string]string{"application_name": "banyan server"}, attendSilence)
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	leave = func() error { return errors.Join(conn.Close(), pool.Close()) }
	key := lockKey("servers")
	var free bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&free); err != nil {
		return nil, errors.Join(err, leave())
	}
	if free {
		if err := alone(ctx); err != nil {
			return nil, errors.Join(err, leave())
		}
		_, err = conn.ExecContext(ctx, "SELECT pg_advisory_lock_shared($1), pg_advisory_unlock($1)", key)
	} else {
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err = conn.ExecContext(limited, "SELECT pg_advisory_lock_shared($1)", key)
	}
	if err != nil {
		return nil, errors.Join(err, leave())
	}
	return leave, nil
}
