package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
)

// oldestPostgres is the oldest version with a public schema in which not
// everybody may create, as server_version_num.
const oldestPostgres = 15_00_00

// Settings of every connection of a module, in milliseconds where they are times.
// Reads outside a transaction refuse writes by default_transaction_read_only. A
// transaction whose process is paused ends sooner than others give up to wait for
// its locks.
var sessionSettings = map[string]string{
	"application_name":                    "banyan",
	"timezone":                            "UTC",
	"statement_timeout":                   "30000",
	"lock_timeout":                        "10000",
	"idle_in_transaction_session_timeout": "8000",
	"default_transaction_read_only":       "on",
}

// Migrations may build an index for long, but must not queue for a lock for long:
// everybody else would queue behind them.
var migrationSettings = map[string]string{
	"application_name":                    "banyan migrate",
	"timezone":                            "UTC",
	"statement_timeout":                   "1800000",
	"lock_timeout":                        "10000",
	"idle_in_transaction_session_timeout": "60000",
}

// server is a PostgreSQL database as the login user sees it.
type server struct {
	base  *pgx.ConnConfig
	admin *sql.DB // one connection, for making schemas and roles, and for the lock of who migrates
}

const startPatience = 10 * time.Second // a database that starts beside us may need a moment

func dial(ctx context.Context, cfg Config) (*server, error) {
	base, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		// The error of the parser quotes the address, password and all, in some versions.
		return nil, errors.New("the address of the database cannot be read: it has the form postgres://user:password@host:port/name?sslmode=…")
	}
	if base.ConnectTimeout == 0 || base.ConnectTimeout > startPatience {
		base.ConnectTimeout = startPatience / 2
	}
	limited := base.Copy()
	limited.DialFunc = answering(base.DialFunc, cfg.Silence)
	admin := stdlib.OpenDB(*limited)
	admin.SetMaxOpenConns(1)
	admin.SetMaxIdleConns(1)
	admin.SetConnMaxLifetime(time.Minute)
	admin.SetConnMaxIdleTime(5 * time.Second) // needed at start only
	s := &server{base: base, admin: admin}
	starting, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	err = s.check(starting)
	for err != nil && unavailable(err) != "" && !refused(err) && starting.Err() == nil {
		select {
		case <-starting.Done():
		case <-time.After(200 * time.Millisecond):
			if again := s.check(starting); starting.Err() == nil {
				err = again // else the error before tells more than "deadline exceeded"
			}
		}
	}
	if refused(err) { // which waiting does not mend
		return nil, errors.Join(err, admin.Close())
	}
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			ctx = context.WithoutCancel(ctx) // it is away, whoever's time was over
		}
		return nil, errors.Join(Fault(ctx, err), admin.Close())
	}
	return s, nil
}

// check refuses servers on which the shop's promises would not hold.
func (s *server) check(ctx context.Context) error {
	var version int
	var commit string
	err := s.admin.QueryRowContext(ctx,
		"SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit')").Scan(&version, &commit)
	switch {
	case err != nil:
		return err
	case version < oldestPostgres:
		return fmt.Errorf("the server's version number is %d; PostgreSQL 15 or newer is needed", version)
	case commit == "off":
		return errors.New("synchronous_commit is off, so an answered order could be lost in a crash: set it to on")
	}
	return nil
}

func (c *Cluster) openPostgres(ctx context.Context, name string, weight int) (*DB, error) {
	role := ""
	if !c.cfg.SingleRole {
		role = "banyan_" + name
	}
	if c.cfg.Existing {
		there, err := c.pg.has(ctx, name)
		if err != nil {
			return nil, Fault(ctx, err)
		}
		if !there {
			return nil, fmt.Errorf("%w in %s: there is no schema %s", ErrNoData, c.Describe(), name)
		}
	}
	if err := c.pg.provide(ctx, name, role); err != nil {
		return nil, Fault(ctx, err)
	}
	size := poolSize(c.cfg.Pool, weight)
	pool := c.pg.pool(name, role, size, sessionSettings, c.cfg.Silence)
	if err := c.pg.verify(ctx, pool, name, role); err != nil {
		return nil, errors.Join(Fault(ctx, err), pool.Close())
	}
	return &DB{
		module: name, dialect: Postgres, read: pool, write: pool, begin: "BEGIN READ WRITE",
		dial: postgres.New(postgres.Config{Conn: pool}),
		migrator: func(ctx context.Context) (*sql.DB, func() error, error) {
			release, err := lockSession(ctx, c.pg.admin, name)
			if err != nil {
				return nil, nil, err
			}
			pool := c.pg.pool(name, role, 1, migrationSettings, migrationSilence)
			return pool, func() error { return errors.Join(pool.Close(), release()) }, nil
		},
	}, nil
}

// poolSize is the share of a module: weight of 45ths, and room for a read beside
// a write.
func poolSize(pool, weight int) int { return max(2, pool*weight/defaultPool) }

// pool opens connections that are the module's role and see its schema alone,
// from their first moment on. They are given up after a silence.
func (s *server) pool(schema, role string, size int, settings map[string]string, silence time.Duration) *sql.DB {
	cfg := s.base.Copy()
	cfg.DialFunc = answering(s.base.DialFunc, silence)
	params := maps.Clone(s.base.RuntimeParams)
	maps.Copy(params, settings)
	params["search_path"] = schema
	if role != "" {
		params["role"] = role
	}
	cfg.RuntimeParams = params
	pool := sql.OpenDB(pipelining{stdlib.GetConnector(*cfg)})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxLifetime(30 * time.Minute)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return pool
}

// verify reads back who a module's connection is: a proxy between us and the
// server can drop settings.
func (s *server) verify(ctx context.Context, pool *sql.DB, schema, role string) error {
	var user, path, readOnly string
	err := pool.QueryRowContext(ctx, "SELECT current_user, coalesce(current_schema(), ''), current_setting('default_transaction_read_only')").
		Scan(&user, &path, &readOnly)
	if err != nil {
		return err
	}
	if role != "" && user != role || path != schema || readOnly != "on" {
		return fmt.Errorf("the server did not take the settings of the connection: role is %s, schema %q, read only %s; "+
			"a pooler in between must pass the start-up settings role, search_path and default_transaction_read_only on", user, path, readOnly)
	}
	return nil
}

func (s *server) has(ctx context.Context, schema string) (there bool, err error) {
	err = s.admin.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there)
	return there, err
}

// provide makes role and schema when missing. Roles belong to all databases of a
// server, and locks to one database, so others may make the same role at the same
// moment: then it is tried again.
func (s *server) provide(ctx context.Context, schema, role string) error {
	var err error
	for try := 0; try < 20; try++ {
		if err = s.provideOnce(ctx, schema, role); err == nil {
			return nil
		}
		switch pgCode(err) {
		case "23505", "42710", "42P06", "XX000", "40001", "40P01": // made by others meanwhile, or being changed
		case "42501":
			return fmt.Errorf("make schema %s and role %q: %w; grant the login user CREATE on the database and CREATEROLE, "+
				"or make them yourself, or choose a single role in the configuration", schema, role, err)
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(50 * time.Millisecond)):
		}
	}
	return err
}

func (s *server) provideOnce(ctx context.Context, schema, role string) error {
	quotedSchema, quotedRole := pgx.Identifier{schema}.Sanitize(), pgx.Identifier{role}.Sanitize()
	if role != "" {
		var exists, member bool
		if err := s.admin.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := s.admin.ExecContext(ctx, "CREATE ROLE "+quotedRole+" NOLOGIN"); err != nil {
				return err
			}
		}
		// From 16 on who makes a role may administer it, but not yet become it.
		if err := s.admin.QueryRowContext(ctx, `SELECT pg_has_role(current_user, $1,
			CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)`, role).Scan(&member); err != nil {
			return err
		}
		if !member {
			if _, err := s.admin.ExecContext(ctx, "GRANT "+quotedRole+" TO CURRENT_USER"); err != nil {
				return err
			}
		}
	}
	var owner string
	err := s.admin.QueryRowContext(ctx, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = $1", schema).Scan(&owner)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		create := "CREATE SCHEMA " + quotedSchema
		if role != "" {
			create += " AUTHORIZATION " + quotedRole
		}
		_, err = s.admin.ExecContext(ctx, create)
		return err
	case err != nil:
		return err
	case role != "" && owner != role:
		return fmt.Errorf("schema %s belongs to %s, not to %s: it was made with a single role; "+
			"keep that setting, or change the owner of the schema and of all in it", schema, owner, role)
	}
	return nil
}

// lockSession keeps other processes from migrating the module. It asks again and
// again instead of waiting in the server: a waiting statement holds a snapshot,
// and CREATE INDEX CONCURRENTLY of the holder would wait for that for ever.
func lockSession(ctx context.Context, admin *sql.DB, module string) (release func() error, err error) {
	conn, err := admin.Conn(ctx)
	if err != nil {
		return nil, err
	}
	key := lockKey("migrate " + module)
	for held := false; ; held = true { // by another process, when it was asked last
		var got bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&got); err != nil {
			if held && ctx.Err() != nil {
				err = fmt.Errorf("another process migrates: %w", err)
			}
			return nil, errors.Join(err, conn.Close())
		}
		if got {
			return func() error { return unlockSession(ctx, conn, key) }, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another process migrates: %w", ctx.Err()), conn.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// unlockSession gives the lock back, at worst together with the connection.
func unlockSession(ctx context.Context, conn *sql.Conn, key int64) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), startPatience)
	defer cancel()
	if _, err := conn.ExecContext(limited, "SELECT pg_advisory_unlock($1)", key); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	if err := conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

func lockKey(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("banyan " + name))
	return int64(h.Sum64()) //nolint:gosec // any 64 bits will do
}
