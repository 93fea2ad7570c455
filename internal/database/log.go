package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

const slow = 500 * time.Millisecond

// queryLog writes gorm's messages as slog records. Values of parameters are
// never in them: they are people's data.
type queryLog struct{ log *slog.Logger }

var _ logger.Interface = (*queryLog)(nil)

// LogMode keeps the level: slog's handler decides.
func (q *queryLog) LogMode(logger.LogLevel) logger.Interface { return q }

// Info implements logger.Interface.
func (q *queryLog) Info(ctx context.Context, msg string, args ...any) {
	q.log.InfoContext(ctx, fmt.Sprintf(msg, args...))
}

// Warn implements logger.Interface.
func (q *queryLog) Warn(ctx context.Context, msg string, args ...any) {
	q.log.WarnContext(ctx, fmt.Sprintf(msg, args...))
}

// Error implements logger.Interface.
func (q *queryLog) Error(ctx context.Context, msg string, args ...any) {
	q.log.ErrorContext(ctx, fmt.Sprintf(msg, args...))
}

// ParamsFilter keeps values out of the SQL that Trace gets.
func (q *queryLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

// Trace logs failed and slow statements. Errors that callers expect and handle
// are for debugging only.
func (q *queryLog) Trace(ctx context.Context, begin time.Time, fc func() (string, int64), err error) {
	took := time.Since(begin)
	switch {
	case err != nil && !errors.Is(err, gorm.ErrRecordNotFound):
		level := slog.LevelWarn
		if errors.Is(err, gorm.ErrDuplicatedKey) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			level = slog.LevelDebug
		}
		if q.log.Enabled(ctx, level) {
			sql, _ := fc()
			q.log.Log(ctx, level, "statement failed", "error", brief(err), "took", took, "sql", sql)
		}
	case took > slow:
		sql, rows := fc()
		q.log.WarnContext(ctx, "slow statement", "took", took, "rows", rows, "sql", sql)
	}
}

// brief leaves out PostgreSQL's message, which can quote values.
func brief(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Sprintf("SQLSTATE %s table=%s constraint=%s", e.Code, e.TableName, e.ConstraintName)
	}
	return err.Error()
}
