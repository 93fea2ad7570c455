package eventstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
)

// pageSize is how many events are read at a time.
const pageSize = 500

// Read gives up to limit events of a stream after a version, in order.
// Errors: ErrUnknownType, ErrNewerSchema.
func (s *Store) Read(ctx context.Context, stream string, after int64, limit int) ([]Recorded, error) {
	rows, err := s.page(ctx, stream, span{after: after, to: math.MaxInt64}, limit)
	if err != nil {
		return nil, err
	}
	return s.all(rows)
}

// Recorded gives what a command recorded in a stream, nothing where it has not.
func (s *Store) Recorded(ctx context.Context, stream, command string) ([]Recorded, error) {
	if command == "" {
		return nil, nil
	}
	var rows []row
	err := s.db.Conn(ctx).Where("stream = ? AND command = ? AND command <> ''", stream, command).Order("version").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for a command in stream %s: %w", stream, err)
	}
	return s.all(rows)
}

// Streams gives up to limit names of streams after one, in alphabetical order. It
// goes from name to name, however many events lie between them.
func (s *Store) Streams(ctx context.Context, after string, limit int) ([]string, error) {
	var names []string
	err := s.db.Conn(ctx).Raw(`WITH RECURSIVE names (stream, n) AS (
			SELECT (SELECT MIN(stream) FROM stream_events WHERE stream > ?), 1
			UNION ALL
			SELECT (SELECT MIN(e.stream) FROM stream_events AS e WHERE e.stream > names.stream), n + 1 FROM names WHERE n < ? AND stream IS NOT NULL
		) SELECT stream FROM names WHERE stream IS NOT NULL ORDER BY n`, after, limit).Scan(&names).Error
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	return names, nil
}

// Known tells which of some streams there are.
func (s *Store) Known(ctx context.Context, streams []string) (map[string]bool, error) {
	var names []string
	if err := s.db.Conn(ctx).Model(&row{}).Where("stream IN ? AND version = 1", streams).Pluck("stream", &names).Error; err != nil {
		return nil, fmt.Errorf("look for streams: %w", err)
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return known, nil
}

// walk gives the events of the streams from one name to another, both included,
// stream by stream. unreadable tells why an event could not be decoded.
func (s *Store) walk(ctx context.Context, from, to string, fn func(r Recorded, unreadable error) error) error {
	for after := (row{Stream: from}); ; {
		var rows []row
		err := s.db.Conn(ctx).Where("(stream, version) > (?, ?) AND stream <= ?", after.Stream, after.Version, to).
			Order("stream, version").Limit(pageSize).Find(&rows).Error
		if err != nil {
			return fmt.Errorf("read the streams from %s to %s: %w", from, to, err)
		}
		for _, r := range rows {
			e, unreadable := r.recorded(s.types)
			if unreadable != nil {
				e = Recorded{Stream: r.Stream, Version: r.Version}
			}
			if err := fn(e, unreadable); err != nil {
				return err
			}
		}
		if len(rows) < pageSize {
			return nil
		}
		after = rows[len(rows)-1]
	}
}

// span is a part of a stream: versions after one, to one, up to an instant.
type span struct {
	after, to int64
	until     time.Time // zero: no end
}

func (p span) in(q *gorm.DB) *gorm.DB {
	q = q.Where("version > ?", p.after)
	if p.to != math.MaxInt64 {
		q = q.Where("version <= ?", p.to)
	}
	if !p.until.IsZero() {
		q = q.Where("recorded_at <= ?", database.At(p.until))
	}
	return q
}

func (s *Store) page(ctx context.Context, stream string, p span, limit int) ([]row, error) {
	var rows []row
	err := p.in(s.db.Conn(ctx).Where("stream = ?", stream)).Order("version").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	return rows, nil
}

// errHeadLost is in the chain where the database does not have a head that it once
// had, or has another event in its place.
var errHeadLost = errors.New("the database has lost the end of the stream that was built on")

// each gives what follows on a head, as far as p goes, to fn, event by event. The
// event of the head is read too: that it is there costs no round trip to know.
// Errors: errHeadLost, before fn was called.
func (s *Store) each(ctx context.Context, stream string, head Head, p span, fn func(Recorded) error) error {
	for p.after = max(head.Version-1, 0); ; {
		rows, err := s.page(ctx, stream, p, pageSize)
		if err != nil {
			return err
		}
		more := len(rows) == pageSize
		if head.Version > 0 {
			if len(rows) == 0 || rows[0].Version != head.Version || rows[0].Seal != head.seal {
				return fmt.Errorf("read stream %s after version %d: %w", stream, head.Version, errHeadLost)
			}
			rows, head = rows[1:], Head{}
		}
		page, err := s.all(rows)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return fmt.Errorf("fold version %d of stream %s: %w", e.Version, stream, err)
			}
		}
		if !more {
			return nil
		}
		p.after = page[len(page)-1].Version
	}
}

func (s *Store) all(rows []row) ([]Recorded, error) {
	events := make([]Recorded, len(rows))
	for i, r := range rows {
		e, err := r.recorded(s.types)
		if err != nil {
			return nil, err
		}
		events[i] = e
	}
	return events, nil
}
