package database

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// preparedMost is how many statements a connection of SQLite keeps prepared. A
// module has fewer texts; those with lists of each length go first.
const preparedMost = 100

// prepared is a connection of SQLite that keeps its statements prepared: to parse
// one costs as much as to run it. SQLite itself prepares again what a change of
// the schema has made stale.
type prepared struct {
	sqliteConn
	byText map[string]*list.Element
	used   *list.List // of *preparedStmt, the latest first
}

// sqliteConn is what the driver's connections can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type preparedStmt struct {
	sqliteStmt
	text string
	busy bool // its rows are being read
}

var errNoStatement = errors.New("the driver of SQLite gives statements that cannot be used here")

func newPrepared(conn sqliteConn) *prepared {
	return &prepared{sqliteConn: conn, byText: map[string]*list.Element{}, used: list.New()}
}

// take gives the statement of a text, and what is to be done after it was used.
func (c *prepared) take(ctx context.Context, text string) (s *preparedStmt, done func() error, err error) {
	// Many pragmas act when they are prepared, and then never again.
	keep := !strings.HasPrefix(text, "PRAGMA")
	if e := c.byText[text]; e != nil {
		if s := e.Value.(*preparedStmt); !s.busy {
			c.used.MoveToFront(e)
			s.busy = true
			return s, func() error { s.busy = false; return nil }, nil
		}
	}
	raw, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	able, ok := raw.(sqliteStmt)
	if !ok {
		return nil, nil, errors.Join(errNoStatement, raw.Close())
	}
	s = &preparedStmt{sqliteStmt: able, text: text, busy: true}
	if !keep || c.byText[text] != nil { // another one of this text is being read
		return s, s.Close, nil
	}
	c.byText[text] = c.used.PushFront(s)
	return s, func() error { s.busy = false; return c.trim() }, nil
}

// trim closes what was not used for longest.
func (c *prepared) trim() error {
	for e := c.used.Back(); e != nil && c.used.Len() > preparedMost; {
		s, before := e.Value.(*preparedStmt), e.Prev()
		if !s.busy {
			c.used.Remove(e)
			delete(c.byText, s.text)
			if err := s.Close(); err != nil {
				return err
			}
		}
		e = before
	}
	return nil
}

// ExecContext implements driver.ExecerContext.
func (c *prepared) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, done, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	return result, errors.Join(err, done())
}

// QueryContext implements driver.QueryerContext.
func (c *prepared) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, done, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, done())
	}
	return &preparedRows{Rows: rows, done: done}, nil
}

// Close implements driver.Conn.
func (c *prepared) Close() error {
	var errs []error
	for e := c.used.Front(); e != nil; e = e.Next() {
		errs = append(errs, e.Value.(*preparedStmt).Close())
	}
	c.used.Init()
	clear(c.byText)
	return errors.Join(append(errs, c.sqliteConn.Close())...)
}

// preparedRows give their statement back when they are closed.
type preparedRows struct {
	driver.Rows
	done func() error
}

// Close implements driver.Rows.
func (r *preparedRows) Close() error {
	err := r.Rows.Close()
	if done := r.done; done != nil {
		r.done = nil
		err = errors.Join(err, done())
	}
	return err
}
