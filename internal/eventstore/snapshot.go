package eventstore

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/crashpoint"
	"github.com/banyan-tree/banyan/internal/database"
)

// snapshot is one line of the table stream_snapshots: a fold that was written
// down, to save time. It may be missing.
type snapshot struct {
	Stream     string
	Schema     int
	Version    int64
	RecordedAt database.Time
	Data       string
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
	l := Loaded[S]{Head: Head{Version: found[0].Version, At: found[0].RecordedAt.Time}}
	if err := json.Unmarshal([]byte(found[0].Data), &l.State); err != nil {
		s.store.log.WarnContext(ctx, "a snapshot cannot be read; its stream is folded from the start",
			"module", s.store.db.Module(), "stream", stream, "version", l.Head.Version, "error", err)
		return Loaded[S]{}, nil
	}
	return l, nil
}

// keep writes a snapshot where a change has passed the next multiple of Every.
// Nothing depends on it, so what goes wrong is only logged.
func (s *Streams[S]) keep(ctx context.Context, stream string, c Change[S]) {
	every, now := int64(s.fold.Every), c.Loaded
	if every < 1 || (now.Head.Version-int64(len(c.Recorded)))/every == now.Head.Version/every {
		return
	}
	crashpoint.Hit(s.store.db.Module(), "before-snapshot")
	data, err := json.Marshal(now.State)
	if err == nil {
		err = s.store.db.Atomic(ctx, func(ctx context.Context) error {
			return s.store.db.Conn(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&snapshot{
				Stream: stream, Schema: s.fold.Schema, Version: now.Head.Version, RecordedAt: database.At(now.Head.At), Data: string(data),
			}).Error
		})
	}
	if err != nil {
		s.store.log.WarnContext(ctx, "write a snapshot", "module", s.store.db.Module(), "stream", stream, "version", now.Head.Version, "error", err)
	}
}
