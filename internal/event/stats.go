package event

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/database"
)

// SourceStats is how far the relay of one outbox is.
type SourceStats struct {
	Module       string        `json:"module"`
	Unsent       int64         `json:"unsent"`
	OldestUnsent time.Duration `json:"oldest_unsent"` // age
}

// ConsumerStats is what one inbox holds.
type ConsumerStats struct {
	Consumer string `json:"consumer"`
	Pending  int64  `json:"pending"`
	Parked   int64  `json:"parked"`
}

// Stats of a bus.
type Stats struct {
	Sources   []SourceStats   `json:"sources"`
	Consumers []ConsumerStats `json:"consumers"`
}

// Stats counts what is under way or stuck.
func (b *Bus) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	for _, r := range b.sources {
		one, err := r.outbox.stats(ctx)
		if err != nil {
			return Stats{}, err
		}
		s.Sources = append(s.Sources, one)
	}
	for _, c := range b.consumers {
		one, err := c.stats(ctx)
		if err != nil {
			return Stats{}, err
		}
		s.Consumers = append(s.Consumers, one)
	}
	return s, nil
}

func (o *Outbox) stats(ctx context.Context) (SourceStats, error) {
	var found struct {
		N      int64
		Oldest database.Time
	}
	err := o.db.Conn(ctx).Raw(`SELECT count(*) AS n, MIN(recorded_at) AS oldest FROM outbox WHERE sent_at IS NULL`).Scan(&found).Error
	if err != nil {
		return SourceStats{}, fmt.Errorf("count unsent events of %s: %w", o.Module(), err)
	}
	s := SourceStats{Module: o.Module(), Unsent: found.N}
	if found.N > 0 {
		s.OldestUnsent = max(o.now().Sub(found.Oldest.Time), 0)
	}
	return s, nil
}

func (c *Consumer) stats(ctx context.Context) (ConsumerStats, error) {
	var found []struct {
		State string
		N     int64
	}
	err := c.db.Conn(ctx).Raw(`SELECT state, count(*) AS n FROM inbox_pending WHERE consumer = ? GROUP BY state`, c.Name()).Scan(&found).Error
	if err != nil {
		return ConsumerStats{}, fmt.Errorf("count pending events of %s: %w", c.Name(), err)
	}
	s := ConsumerStats{Consumer: c.Name()}
	for _, f := range found {
		switch f.State {
		case statePending:
			s.Pending = f.N
		case stateParked:
			s.Parked = f.N
		}
	}
	return s, nil
}
