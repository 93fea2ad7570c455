package database

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
)

// pipelined is a PostgreSQL connection that can keep statements back and send
// them together with the next one, in one round trip: the beginning of each
// transaction, and what DB.Later wrote. The server runs them in their order, each
// with its own result, and nothing after the first that fails.
type pipelined struct {
	*stdlib.Conn
	kept []statement

	last      bool               // the next statement is sent together with the commit
	committed bool               // that happened
	giveUp    context.CancelFunc // ends the wait for both; nil where nobody waits
}

// unsyncedCommit makes a commit return before the disk has it.
const unsyncedCommit = "SET LOCAL synchronous_commit = off"

type statement struct {
	sql  string
	args []any
}

// keptError is the failure of a statement that was kept back. It has nothing to
// do with the statement that it was sent with, so it must not be taken for that
// one's: only Atomic translates it.
type keptError struct{ cause error }

func (e *keptError) Error() string { return "a statement before this one: " + e.cause.Error() }
func (e *keptError) Unwrap() error { return e.cause }

// pipelining makes the connections of a pool pipelined.
type pipelining struct{ driver.Connector }

// Connect implements driver.Connector.
func (p pipelining) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &pipelined{Conn: c.(*stdlib.Conn)}, nil
}

// keep holds a statement back.
func (c *pipelined) keep(sql string, args ...any) {
	c.kept = append(c.kept, statement{sql, args})
}

// unbegun tells whether the server does not know of the transaction yet.
func (c *pipelined) unbegun() bool {
	if c.Conn.Conn().PgConn().TxStatus() != 'I' {
		return false
	}
	return len(c.kept) == 1 || len(c.kept) == 2 && c.kept[1].sql == unsyncedCommit
}

// ResetSession implements driver.SessionResetter.
func (c *pipelined) ResetSession(ctx context.Context) error {
	c.kept, c.last, c.committed = nil, false, false
	return c.Conn.ResetSession(ctx)
}

// ExecContext implements driver.ExecerContext.
func (c *pipelined) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(c.kept) == 0 && !c.last {
		return c.Conn.ExecContext(ctx, query, args)
	}
	tag, err := c.exec(ctx, query, values(args)...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

// exec sends what was kept and a statement, and gives that one's result.
func (c *pipelined) exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	results, err := c.send(ctx, query, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, c.ended(results, err)
}

// QueryContext implements driver.QueryerContext.
func (c *pipelined) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(c.kept) == 0 && !c.last {
		return c.Conn.QueryContext(ctx, query, args)
	}
	results, err := c.send(ctx, query, values(args)...)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, c.ended(results, err)
	}
	// The columns are known, and a failure shows, with the first row.
	more := rows.Next()
	if err := rows.Err(); err != nil {
		rows.Close()
		return nil, c.ended(results, err)
	}
	last := c.last
	c.last = false // the caller takes it back before the rows are read
	return &pipelinedRows{conn: c, last: last, rows: rows, results: results, types: c.Conn.Conn().TypeMap(), first: true, more: more}, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *pipelined) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if len(c.kept) > 0 {
		if _, err := c.exec(ctx, "SELECT"); err != nil {
			return nil, err
		}
	}
	return c.Conn.PrepareContext(ctx, query)
}

// send sends what was kept and a statement, and reads the results up to that one's.
func (c *pipelined) send(ctx context.Context, query string, args ...any) (pgx.BatchResults, error) {
	conn := c.Conn.Conn()
	if conn.IsClosed() {
		return nil, driver.ErrBadConn
	}
	kept := c.kept
	c.kept = nil
	batch := &pgx.Batch{}
	for _, s := range kept {
		batch.Queue(s.sql, s.args...)
	}
	batch.Queue(query, args...)
	begins := conn.PgConn().TxStatus() == 'I'
	if c.last {
		batch.Queue("COMMIT")
		ctx, c.giveUp = context.WithTimeout(ctx, commitLimit) // until the results are read
	}
	results := conn.SendBatch(ctx, batch)
	for i := range kept {
		if _, err := results.Exec(); err != nil {
			if begins && i == 0 && pgCode(err) == pgFeature {
				err = fmt.Errorf("%w: %w", errStandby, err)
			}
			return nil, c.ended(results, &keptError{err})
		}
	}
	return results, nil
}

// ended reads what is left of the results, and gives the first error.
func (c *pipelined) ended(results pgx.BatchResults, err error) error {
	if c.last && err == nil {
		_, err = results.Exec()
		c.committed = err == nil
	}
	if last := results.Close(); err == nil {
		err = last
	}
	if c.giveUp != nil {
		c.giveUp()
		c.giveUp = nil
	}
	if c.last && err != nil && pgCode(err) == "" { // the commit may have come through
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return err
}

func values(named []driver.NamedValue) []any {
	args := make([]any, len(named))
	for i, v := range named {
		args[i] = v.Value
	}
	return args
}

// pipelinedRows are the rows of a statement that was sent with others.
type pipelinedRows struct {
	conn        *pipelined
	last        bool // the commit follows them
	rows        pgx.Rows
	results     pgx.BatchResults
	types       *pgtype.Map
	first, more bool // the first row is read already, and whether there is one
}

// Columns implements driver.Rows.
func (r *pipelinedRows) Columns() []string {
	fields := r.rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

// Close implements driver.Rows.
func (r *pipelinedRows) Close() error {
	r.rows.Close()
	r.conn.last = r.last
	err := r.conn.ended(r.results, r.rows.Err())
	r.conn.last = false
	return err
}

// Next implements driver.Rows.
func (r *pipelinedRows) Next(dest []driver.Value) error {
	if r.first {
		r.first = false
	} else {
		r.more = r.rows.Next()
	}
	if !r.more {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	fields := r.rows.FieldDescriptions()
	for i, raw := range r.rows.RawValues() {
		v, err := value(r.types, fields[i], raw)
		if err != nil {
			return fmt.Errorf("read column %s: %w", fields[i].Name, err)
		}
		dest[i] = v
	}
	return nil
}

// value reads a column as database/sql knows values.
func value(types *pgtype.Map, f pgconn.FieldDescription, raw []byte) (driver.Value, error) {
	if raw == nil {
		return nil, nil
	}
	known, ok := types.TypeForOID(f.DataTypeOID)
	if !ok || f.DataTypeOID == pgtype.TextOID {
		return string(raw), nil
	}
	v, err := known.Codec.DecodeDatabaseSQLValue(types, f.DataTypeOID, f.Format, raw)
	if b, ok := v.([]byte); ok {
		return slices.Clone(b), err // the buffer is used again
	}
	return v, err
}
