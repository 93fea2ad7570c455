package database

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
)

// Among is the condition that a column of texts has one of the values of a List,
// which is one parameter. So the statement has the same text however long the list
// is, and is prepared once:
//
//	conn.Exec("DELETE FROM webhooks WHERE "+db.Among("id"), db.List(ids))
func (db *DB) Among(column string) string {
	if db.dialect == Postgres {
		return column + " = ANY (CAST(? AS text[]))"
	}
	return column + " IN (SELECT value FROM json_each(?))"
}

// List is the parameter that Among takes.
func (db *DB) List(values []string) driver.Valuer { return textList{db.dialect, values} }

type textList struct {
	dialect Dialect
	values  []string
}

// Value implements driver.Valuer: an array's text in PostgreSQL, JSON in SQLite.
// https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
func (l textList) Value() (driver.Value, error) {
	if l.dialect == Postgres {
		var b strings.Builder
		b.WriteByte('{')
		for i, v := range l.values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('"')
			b.WriteString(arrayEscapes.Replace(v))
			b.WriteByte('"')
		}
		b.WriteByte('}')
		return b.String(), nil
	}
	if l.values == nil {
		return "[]", nil
	}
	text, err := json.Marshal(l.values)
	if err != nil { // texts only
		return nil, fmt.Errorf("write a list: %w", err)
	}
	return string(text), nil
}

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
