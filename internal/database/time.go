package database

import (
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Time is how rows hold an instant in every dialect (column type timestamptz):
// UTC, microseconds, written in one fixed-width form so that text sorts by time.
type Time struct{ time.Time }

const timeLayout = "2006-01-02 15:04:05.000000-07:00"

// At wraps t.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// AtPtr wraps t, nil for nil.
func AtPtr(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	v := At(*t)
	return &v
}

// Ptr unwraps t, nil for nil.
func (t *Time) Ptr() *time.Time {
	if t == nil {
		return nil
	}
	v := t.Time
	return &v
}

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UTC().Format(timeLayout), nil
}

// TimestamptzValue implements pgtype.TimestamptzValuer: the driver of PostgreSQL takes
// the instant as it is. The text it would try in vain, and read again to send it.
func (t Time) TimestamptzValue() (pgtype.Timestamptz, error) {
	return pgtype.Timestamptz{Time: t.UTC(), Valid: !t.IsZero()}, nil
}

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
	case time.Time:
		t.Time = v.UTC()
	case string:
		return t.parse(v)
	case []byte:
		return t.parse(string(v))
	default:
		return fmt.Errorf("read an instant: unexpected %T", src)
	}
	return nil
}

func (t *Time) parse(s string) error {
	for _, layout := range []string{timeLayout, time.RFC3339Nano, "2006-01-02 15:04:05.999999999-07:00"} {
		if v, err := time.Parse(layout, s); err == nil {
			t.Time = v.UTC()
			return nil
		}
	}
	return fmt.Errorf("read an instant: %q is none", s)
}

// GormDataType names the column type.
func (Time) GormDataType() string { return "timestamptz" }
