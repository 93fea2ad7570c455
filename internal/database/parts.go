package database

import "context"

// InParts works in one transaction after the other, so that others get their turn,
// until a part does less than limit. It gives the sum of what the parts did.
func (db *DB) InParts(ctx context.Context, limit int, part func(ctx context.Context) (int64, error)) (all int64, err error) {
	for {
		var n int64
		err := db.Atomic(ctx, func(ctx context.Context) (err error) {
			n, err = part(ctx)
			return err
		})
		if err != nil {
			return all, err
		}
		if all += n; n < int64(limit) {
			return all, nil
		}
	}
}

// SkipLocked ends a SELECT of rows to be changed: rows that another process is at are
// left to it. Empty on SQLite, where writers take turns.
func (db *DB) SkipLocked() string {
	if db.dialect == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}
