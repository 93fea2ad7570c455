package eventstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/banyan-tree/banyan/internal/crashpoint"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/run"
)

// snapshot is one line of the table stream_snapshots: a fold that was written
// down, to save time. It may be missing.
type snapshot struct {
	Stream     string
	Schema     int
	Version    int64
	RecordedAt database.Time
	Data       string
	Seal       int64 // of the last event in it
}

// TableName tells gorm where snapshots live.
func (snapshot) TableName() string { return "stream_snapshots" }

// nearest gives the last snapshot that lies in a span, the start where there is
// none that this program can read.
func (s *Streams[S]) nearest(ctx context.Context, stream string, p span) (Loaded[S], error) {
	if s.fold.Every < 1 {
		return Loaded[S]{}, nil
	}
	var found []snapshot
	err := p.in(s.store.db.Conn(ctx).Where("stream = ? AND schema = ?", stream, s.fold.Schema)).Order("version DESC").Limit(1).Find(&found).Error
	if err != nil {
		return Loaded[S]{}, fmt.Errorf("read the snapshot of stream %s: %w", stream, err)
	}
	if len(found) == 0 {
		return Loaded[S]{}, nil
	}
	l := Loaded[S]{Head: Head{Version: found[0].Version, At: found[0].RecordedAt.Time, seal: found[0].Seal}}
	if err := json.Unmarshal([]byte(found[0].Data), &l.State); err != nil {
		s.store.log.WarnContext(ctx, "a snapshot cannot be read; its stream is folded from the start",
			"module", s.store.db.Module(), "stream", stream, "version", l.Head.Version, "error", err)
		return Loaded[S]{}, nil
	}
	return l, nil
}

// due has a snapshot written where a change has passed the next multiple of
// Every. Nothing depends on it, so it is not waited for, and dropped where too
// many wait.
func (s *Streams[S]) due(stream string, c Change[S]) {
	every, now := int64(s.fold.Every), c.Loaded
	if every < 1 || (now.Head.Version-int64(len(c.Recorded)))/every == now.Head.Version/every {
		return
	}
	select {
	case s.store.snapshots <- func(ctx context.Context) error { return s.keep(ctx, stream, now) }:
	default:
	}
}

// A snapshot is written where its last event is still there: the database may have
// lost it since.
const insertSnapshot = `INSERT INTO stream_snapshots (stream, schema, version, recorded_at, data, seal)
	SELECT stream, CAST(? AS integer), version, recorded_at, CAST(? AS text), seal FROM stream_events
	WHERE stream = ? AND version = ? AND seal = ?
	ON CONFLICT DO NOTHING`

// keep writes a snapshot.
func (s *Streams[S]) keep(ctx context.Context, stream string, l Loaded[S]) error {
	crashpoint.Hit(s.store.db.Module(), "before-snapshot")
	data, err := json.Marshal(l.State)
	if err != nil {
		return fmt.Errorf("write the state of stream %s: %w", stream, err)
	}
	return s.store.db.Atomic(ctx, func(ctx context.Context) error {
		return s.store.db.Conn(ctx).Exec(insertSnapshot, s.fold.Schema, string(data), stream, l.Head.Version, l.Head.seal).Error
	})
}

// Snapshots writes the snapshots that are due, until its context ends.
func (s *Store) Snapshots() run.Task {
	return run.Task{Name: "snapshots of " + s.db.Module(), Run: func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case write := <-s.snapshots:
				if err := write(ctx); err != nil && ctx.Err() == nil {
					s.log.WarnContext(ctx, "write a snapshot", "module", s.db.Module(), "error", err)
				}
			}
		}
	}}
}
