package eventstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/port"
)

// Append adds events to the end of a stream, in the transaction that ctx carries
// (database.Atomic); without one it is database.ErrOutsideAtomic. What is
// published in the same transaction happens if and only if the events do.
//
// head is the end that was decided on: where the stream has moved on, or does not
// have it, the error has a Conflict in its chain and the transaction can only be undone. command,
// unless empty, is a key under which a stream records at most once; using it
// again is a Conflict too.
func (s *Store) Append(ctx context.Context, stream string, head Head, command string, events ...any) ([]Recorded, error) {
	if len(events) == 0 {
		return nil, nil
	}
	if stream == "" || strings.ContainsRune(stream+command, 0) {
		return nil, fmt.Errorf("append to stream %q: a stream needs a name, and the character NUL is not allowed", stream)
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	at := database.At(s.now())
	if at.Before(head.At) { // the clock of who wrote before us is ahead of ours
		at = database.At(head.At)
	}
	actor := port.PrincipalFrom(ctx).Subject
	seal := rand.Int64() //nolint:gosec // tells appends apart, and keeps no secret
	rows, recorded := make([]row, len(events)), make([]Recorded, len(events))
	for i, e := range events {
		kind, data, err := s.types.encode(e)
		if err != nil {
			return nil, err
		}
		rows[i] = row{
			Stream: stream, Version: head.Version + int64(i) + 1, Type: kind.name, Schema: kind.Schema(),
			RecordedAt: at, Command: command, Nth: i, Actor: actor, Traceparent: carrier["traceparent"], Data: data, Seal: seal,
		}
		recorded[i] = Recorded{Stream: stream, Version: rows[i].Version, At: at.Time, Command: command, Actor: actor, Event: e, seal: seal}
	}
	if err := s.lock(ctx, stream); err != nil {
		return nil, err
	}
	after := head.seal
	for part := range slices.Chunk(rows, insertAtOnce) {
		text, values := insertion(part, after)
		after = seal
		err := s.db.Conn(ctx).Exec(text, values...).Error
		if errors.Is(err, gorm.ErrCheckConstraintViolated) || errors.Is(err, gorm.ErrDuplicatedKey) {
			return nil, &Conflict{Stream: stream, Expected: head.Version, cause: err}
		}
		if err != nil {
			return nil, fmt.Errorf("append to stream %s: %w", stream, err)
		}
	}
	s.db.AfterCommit(ctx, s.raise)
	return recorded, nil
}

const (
	insertAtOnce = 1000 // rows: below the parameter limits of the databases
	insertRows   = `INSERT INTO stream_events (stream, version, type, schema, recorded_at, command, nth, actor, traceparent, data, seal) VALUES `
	insertRow    = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// A row that follows on another makes no version where that one, with its seal, is
	// not there: 0 is refused by the table.
	insertNext = `(?, COALESCE((SELECT version FROM stream_events WHERE stream = ? AND version = ? AND seal = ?), -1) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// insertion is written by hand, as that of the outbox is: gorm would find the columns
// of a row anew each time. after is the seal of what the first row follows on.
func insertion(rows []row, after int64) (text string, values []any) {
	values, text = make([]any, 0, 11*len(rows)+2), insertRow
	for i, r := range rows {
		values = append(values, r.Stream)
		if i == 0 && r.Version > 1 {
			text = insertNext
			values = append(values, r.Stream, r.Version-1, after)
		} else {
			values = append(values, r.Version)
		}
		values = append(values, r.Type, r.Schema, r.RecordedAt, r.Command, r.Nth, r.Actor, r.Traceparent, r.Data, r.Seal)
	}
	return insertRows + text + strings.Repeat(", "+insertRow, len(rows)-1), values
}

// lock keeps other writers of a stream out until the end of the transaction; they
// come in one after the other. On SQLite every transaction does. It is sent with
// the next statement, which is the one that may wait.
func (s *Store) lock(ctx context.Context, stream string) error {
	if s.db.Dialect() == database.SQLite {
		return nil
	}
	err := s.db.Later(ctx).Exec("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", s.db.Module()+" "+stream).Error
	if err != nil {
		return fmt.Errorf("lock stream %s: %w", stream, err)
	}
	return nil
}

// raise wakes the feed; one wake-up call that was not answered yet is enough.
func (s *Store) raise() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
