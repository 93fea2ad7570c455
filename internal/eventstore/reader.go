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
// still add something. It belongs to one goroutine.
type Reader struct {
	store *Store
	marks []mark
	safe  int64 // no event at or before this position is yet to come
	known bool  // a Look has found out what is safe; until then it is nothing
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

// Whoever draws a position holds the lock of an insert on the table before, and
// keeps it to the end of its transaction. So those who hold positions before the
// newest that is visible, and are not visible themselves, are among those who hold
// that lock after the snapshot was taken, or have ended by then. Numbers of
// transactions would not do: they are those of the whole server, where a long
// import into somebody else's database would hold up every reader.
const newestAndWriters = `SELECT COALESCE((SELECT MAX(position) FROM stream_events), 0) AS position,
	COALESCE((SELECT string_agg(DISTINCT virtualtransaction, ' ') FROM pg_locks
		WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
			AND relation = CAST('stream_events' AS regclass)
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())), '') AS writers`

// Look finds out how far it is safe to read now. waiting tells that there is
// more, which transactions under way hold back for a moment.
func (r *Reader) Look(ctx context.Context) (safe int64, waiting bool, err error) {
	var now struct {
		Position int64
		Writers  string
	}
	conn := r.store.db.Conn(ctx)
	if err := conn.Raw(newest).Scan(&now.Position).Error; err != nil {
		return r.safe, false, fmt.Errorf("look how far the streams are: %w", err)
	}
	if r.store.db.Dialect() == database.SQLite || now.Position == r.safe && len(r.marks) == 0 {
		r.safe, r.known = now.Position, true
		return r.safe, false, nil
	}
	if err := r.store.db.Conn(ctx).Raw(newestAndWriters).Scan(&now).Error; err != nil {
		return r.safe, false, fmt.Errorf("look who is writing to the streams: %w", err)
	}
	r.resolve(now.Position, strings.Fields(now.Writers))
	return r.safe, len(r.marks) > 0, nil
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
