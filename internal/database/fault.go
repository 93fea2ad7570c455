package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/banyan-tree/banyan/internal/fault"
)

// Result codes of SQLite; the low byte is the primary one.
// https://www.sqlite.org/rescode.html
const (
	sqliteBusy      = 5
	sqliteLocked    = 6
	sqliteNoMem     = 7
	sqliteReadOnly  = 8
	sqliteInterrupt = 9
	sqliteIOErr     = 10
	sqliteFull      = 13
	sqliteCantOpen  = 14
	sqliteProtocol  = 15
	sqliteCheck     = 19 | 1<<8
	sqliteRowID     = 19 | 10<<8

	sqliteForeignKey = 19 | 3<<8
	sqlitePrimaryKey = 19 | 6<<8
	sqliteUnique     = 19 | 8<<8
)

// SQLSTATEs of PostgreSQL. https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	pgFeature       = "0A000" // of a prepared statement: its result type changed; of BEGIN: a standby
	pgReadOnly      = "25006"
	pgIdleInTx      = "25P03"
	pgNotNull       = "23502"
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgLockTimeout   = "55P03"
	pgCanceled      = "57014"
)

// errStandby says that the server, being a standby, begins no transaction that writes.
var errStandby = errors.New("the server is a standby")

// Fault gives an error of a database its meaning for callers: what a later try
// may mend (connection lost, disk full, time-outs, lost against others) becomes
// fault.Unavailable; a context's end stays what it is; all else stays as it is.
// The cause stays in the chain.
func Fault(ctx context.Context, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	// A server that does not take the connection, or does not answer to a commit, looks
	// like the end of a context, too.
	var connect *pgconn.ConnectError
	ours := errors.As(err, &connect) || errors.Is(err, ErrUnknownOutcome)
	if (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) && (ctx.Err() != nil || !ours) {
		return err
	}
	if stopped(err) && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	// What did not come through gorm.
	err = (sqliteDialect{}).Translate(err)
	if why := unavailable(err); why != "" {
		return fault.Unavailable.Wrap(err, "%s", why)
	}
	return err
}

// unavailable says why the database could not serve, "" where it could.
func unavailable(err error) string {
	switch sqliteCode(err) & 0xff {
	case sqliteBusy, sqliteLocked, sqliteProtocol:
		return "the database is busy, try again"
	case sqliteFull:
		return "the disk of the database is full, try again later"
	case sqliteNoMem, sqliteReadOnly, sqliteIOErr, sqliteCantOpen:
		return "the database file cannot be used, try again later"
	case sqliteInterrupt:
		return "the statement was interrupted, try again"
	}
	if code := pgCode(err); code != "" {
		switch {
		case code == pgSerialization, code == pgDeadlock:
			return "others changed the same data at the same time, try again"
		case code == pgLockTimeout, code == pgCanceled, code == pgIdleInTx:
			return "the database took too long, try again"
		case code == pgReadOnly, errors.Is(err, errStandby):
			return "the database takes no writes at present, try again later"
		case away(code):
			return "the database cannot serve at present, try again later"
		case refused(err):
			return "the database does not let the shop in at present, try again later"
		}
		return ""
	}
	switch {
	case disconnected(err):
		return "the database cannot be reached, try again later"
	case errors.Is(err, ErrUnknownOutcome):
		return "the connection was lost during the commit, try again with the same key"
	}
	return ""
}

// Disconnected tells whether err is that of a connection that was cut, or not made,
// which says nothing about what was done on it. The end of somebody's time is none,
// though package context makes it look like an error of the network.
func Disconnected(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.Is(err, ErrUnknownOutcome) { // the server's time may have been over
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	if disconnected(err) {
		return true
	}
	code := pgCode(err)
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") // the server shuts down, or an administrator ended it
}

// away tells whether a server says that it cannot serve anybody.
func away(code string) bool {
	switch code[:2] {
	case "08", "53", "57", "58":
		return true
	}
	return false
}

// refused tells whether a server let our login in no more: another password, no such
// database or role, no right to connect.
func refused(err error) bool {
	var connect *pgconn.ConnectError
	code := pgCode(err)
	return code != "" && !away(code) && errors.As(err, &connect)
}

func disconnected(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// lost tells whether a transaction was undone only because of what others did
// meanwhile, so that running it again makes sense.
func lost(err error) bool {
	if errors.Is(err, ErrUnknownOutcome) || errors.Is(err, errStandby) {
		return false
	}
	switch pgCode(err) {
	case pgSerialization, pgDeadlock, pgFeature:
		return true
	}
	return false
}

// definite tells whether a commit that gave this error surely did not happen.
func definite(err error) bool {
	if errors.Is(err, errSilentRollback) || errors.Is(err, errNotReached) {
		return true
	}
	if code := sqliteCode(err); code != 0 {
		return code&0xff != sqliteIOErr
	}
	code := pgCode(err)
	if code == "" {
		return false
	}
	switch code[:2] {
	case "08", "57", "58", "XX":
		return false
	}
	return true
}

// readOnly tells whether a write met a connection that takes none.
func readOnly(err error) bool {
	return sqliteCode(err)&0xff == sqliteReadOnly || pgCode(err) == pgReadOnly
}

func stopped(err error) bool {
	return sqliteCode(err)&0xff == sqliteInterrupt || pgCode(err) == pgCanceled
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// NullRefused tells whether PostgreSQL refused a statement because it would have left a
// column without a value.
func NullRefused(err error, table, column string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == pgNotNull && e.TableName == table && e.ColumnName == column
}

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) && len(e.Code) == 5 {
		return e.Code
	}
	return ""
}
