package eventstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/database"
)

// Reader reads the events of all streams in the order of their positions, which
// is that of the versions within each stream. An event that commits late is
// never skipped: the reader goes only as far as no transaction under way can
// still add something, also after a failover of the database. It belongs to one goroutine.
type Reader struct {
	store *Store
	marks []mark
	safe  int64 // no event at or before this position is yet to come
	known bool  // a Look has found out what is safe; until then it is nothing
	end   end   // that the last Look saw
}

// end is the newest event that is visible. While it is there, so is all that was
// committed before it, and no position before its own is drawn any more: what a
// reader knows holds. A failover of the database may lose it, and then positions
// come again.
type end struct {
	position int64 // 0: there is none
	seal     int64
}

// mark is a position that is safe once those who were writing when it was seen
// have ended: only they can hold positions before it.
type mark struct {
	position int64
	writers  []string
}

// marksKept bounds the memory; a look that finds no room for its mark is made up
// for by the next.
const marksKept = 64

// Reader makes a reader.
func (s *Store) Reader() *Reader { return &Reader{store: s} }

const newest = "SELECT COALESCE(MAX(position), 0) FROM stream_events"

// A look is one statement, which sees one moment: the end, and whether the one that
// was seen before is still there.
const (
	lookAtEnd     = look + `''` + ofEnd
	lookAtWriters = look + writers + ofEnd

	look  = `SELECT position, seal, EXISTS (SELECT 1 FROM stream_events WHERE position = ? AND seal = ?) AS there, `
	ofEnd = ` AS writers FROM stream_events ORDER BY position DESC LIMIT 1`
)

// Whoever draws a position holds the lock of an insert on the table before, and
// keeps it to the end of its transaction. So those who hold positions before the
// newest that is visible, and are not visible themselves, are among those who hold
// that lock after the snapshot was taken, or have ended by then. Numbers of
// transactions would not do: they are those of the whole server, where a long
// import into somebody else's database would hold up every reader.
const writers = `COALESCE((SELECT string_agg(DISTINCT virtualtransaction, ' ') FROM pg_locks
	WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
		AND relation = CAST('stream_events' AS regclass)
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())), '')`

// Look finds out how far it is safe to read now. waiting tells that there is
// more, which transactions under way hold back for a moment.
func (r *Reader) Look(ctx context.Context) (safe int64, waiting bool, err error) {
	if _, err := r.look(ctx, lookAtEnd); err != nil {
		return r.safe, false, fmt.Errorf("look how far the streams are: %w", err)
	}
	if r.store.db.Dialect() == database.SQLite || r.end.position == r.safe && len(r.marks) == 0 {
		r.safe, r.known = r.end.position, true
		return r.safe, false, nil
	}
	writing, err := r.look(ctx, lookAtWriters)
	if err != nil {
		return r.safe, false, fmt.Errorf("look who is writing to the streams: %w", err)
	}
	r.resolve(r.end.position, writing)
	return r.safe, len(r.marks) > 0, nil
}

// look sees the end, and forgets what is known where the one before is lost.
func (r *Reader) look(ctx context.Context, query string) (writing []string, err error) {
	var now struct {
		Position, Seal int64
		There          bool
		Writers        string
	}
	if err := r.store.db.Conn(ctx).Raw(query, r.end.position, r.end.seal).Scan(&now).Error; err != nil {
		return nil, err
	}
	if r.end.position > 0 && !now.There {
		r.safe, r.known, r.marks = 0, false, nil
	}
	r.end = end{now.Position, now.Seal}
	return strings.Fields(now.Writers), nil
}

// resolve adds a mark for what is visible now, and takes away those for which
// nobody has to be waited for any more.
func (r *Reader) resolve(visible int64, writing []string) {
	known := r.safe
	if n := len(r.marks); n > 0 {
		known = r.marks[n-1].position
	}
	if visible > known && len(r.marks) < marksKept {
		r.marks = append(r.marks, mark{visible, writing})
	}
	for len(r.marks) > 0 && !slices.ContainsFunc(r.marks[0].writers, func(w string) bool { return slices.Contains(writing, w) }) {
		r.safe, r.known, r.marks = r.marks[0].position, true, r.marks[1:]
	}
}

// Next gives up to limit events after a position, as far as the last Look found
// it safe. Fewer than limit mean that there are no more.
// Errors: ErrUnknownType, ErrNewerSchema.
func (r *Reader) Next(ctx context.Context, after int64, limit int) ([]Recorded, error) {
	if after >= r.safe {
		return nil, nil
	}
	var rows []row
	err := r.store.db.Conn(ctx).Where("position > ? AND position <= ?", after, r.safe).Order("position").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read the streams after position %d: %w", after, err)
	}
	return r.store.all(rows)
}
