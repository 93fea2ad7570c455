package event

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/banyan-tree/banyan/internal/database"
)

const (
	upkeepEvery = time.Hour
	monthsAhead = 2
	trimAtOnce  = 1000
)

// Retention says how long sent events stay in the logs of the sources; 0, the
// default, is for ever. With PostgreSQL whole months are dropped.
func (b *Bus) Retention(keep time.Duration) { b.keep = keep }

// upkeep makes the months to come and drops those that retention lets go.
func (b *Bus) upkeep(ctx context.Context) error {
	for ctx.Err() == nil {
		for _, r := range b.sources {
			err := r.outbox.MakePartitions(ctx)
			if b.keep > 0 {
				_, trim := r.outbox.Trim(ctx, r.outbox.now().Add(-b.keep))
				err = errors.Join(err, trim)
			}
			if err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "event log upkeep", "module", r.outbox.Module(), "error", err)
			}
		}
		sleep(ctx, upkeepEvery, nil)
	}
	return nil
}

// MakePartitions makes the partitions of this month and the next ones; on SQLite
// there is nothing to do. A month of which the default partition has rows
// already stays there.
func (o *Outbox) MakePartitions(ctx context.Context) error {
	if o.db.Dialect() != database.Postgres {
		return nil
	}
	now := o.now()
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for n := range monthsAhead + 1 {
		if err := o.makePartition(ctx, first.AddDate(0, n, 0)); err != nil {
			return fmt.Errorf("make partition %s of the event log: %w", partitionName(first.AddDate(0, n, 0)), err)
		}
	}
	return nil
}

const partitionLayout = "outbox_2006_01"

func partitionName(month time.Time) string { return month.Format(partitionLayout) }

func (o *Outbox) makePartition(ctx context.Context, month time.Time) error {
	name, end := partitionName(month), month.AddDate(0, 1, 0)
	all, err := o.partitions(ctx)
	if err != nil || all[name] {
		return err
	}
	return o.db.Atomic(ctx, func(ctx context.Context) error {
		conn := o.db.Conn(ctx)
		if err := lockLog(conn); err != nil {
			return err
		}
		var taken bool
		err := conn.Raw(`SELECT EXISTS (SELECT 1 FROM outbox_default WHERE recorded_at >= ? AND recorded_at < ?)`,
			database.At(month), database.At(end)).Scan(&taken).Error
		if err != nil || taken {
			return err
		}
		// Names and bounds are made of numbers here, and DDL takes no parameters.
		return errors.Join(
			conn.Exec(fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF outbox FOR VALUES FROM ('%s') TO ('%s')`,
				name, month.Format(time.RFC3339), end.Format(time.RFC3339))).Error,
			conn.Exec(fmt.Sprintf(`CREATE UNIQUE INDEX IF NOT EXISTS %s_version ON %s (topic, aggregate_id, version)`, name, name)).Error,
		)
	})
}

// lockLog lets one instance at a time change the partitions, and does not make
// publishers wait long behind it.
func lockLog(conn *gorm.DB) error {
	err := conn.Exec(`SET LOCAL lock_timeout = '2s'`).Error
	if err != nil {
		return err
	}
	return conn.Exec(`LOCK TABLE outbox_trimmed IN EXCLUSIVE MODE`).Error
}

var monthly = regexp.MustCompile(`^outbox_\d{4}_\d{2}$`)

// partitions gives the names of the months that have a partition.
func (o *Outbox) partitions(ctx context.Context) (map[string]bool, error) {
	var names []string
	err := o.db.Conn(ctx).Raw(`SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'outbox'::regclass`).Scan(&names).Error
	if err != nil {
		return nil, fmt.Errorf("read the partitions of the event log: %w", err)
	}
	all := map[string]bool{}
	for _, name := range names {
		if monthly.MatchString(name) {
			all[name] = true
		}
	}
	return all, nil
}

// KeepLatest names topics of which the last event of each aggregate says all that
// there is to know of it. That one event stays, however old it is: from the log a
// read model can be made anew at any time. Set it up before the outbox is used.
func (o *Outbox) KeepLatest(topics ...string) *Outbox {
	o.kept = append(o.kept, topics...)
	return o
}

// Trim drops sent events recorded before an instant, but those of KeepLatest: single events on SQLite and
// in the default partition, else whole months in which everything was sent. It
// returns how many events or months it dropped.
func (o *Outbox) Trim(ctx context.Context, before time.Time) (int64, error) {
	var dropped int64
	if o.db.Dialect() == database.Postgres {
		all, err := o.partitions(ctx)
		if err != nil {
			return 0, err
		}
		for name := range all {
			month, err := time.Parse(partitionLayout, name)
			if err != nil || month.AddDate(0, 1, 0).After(before) {
				continue
			}
			gone, err := o.dropMonth(ctx, name, before)
			if err != nil {
				return dropped, fmt.Errorf("drop partition %s of the event log: %w", name, err)
			}
			if gone {
				dropped++
			}
		}
	}
	rows, err := o.trimRows(ctx, before)
	return dropped + rows, err
}

func (o *Outbox) dropMonth(ctx context.Context, name string, before time.Time) (gone bool, err error) {
	stays, err := o.latestOf(ctx, name)
	if err != nil {
		return false, err
	}
	err = o.db.Atomic(ctx, func(ctx context.Context) error {
		conn := o.db.Conn(ctx)
		if err := lockLog(conn); err != nil {
			return err
		}
		var has struct{ Unsent, Rows bool }
		err := conn.Raw(fmt.Sprintf(`SELECT EXISTS (SELECT 1 FROM %s WHERE sent_at IS NULL) AS unsent, EXISTS (SELECT 1 FROM %s) AS rows`,
			name, name)).Scan(&has).Error
		if gone = err == nil && !has.Unsent; !gone {
			return err
		}
		if has.Rows {
			if err := errors.Join(noteTrim(conn, before), o.moveOut(conn, name, stays)); err != nil {
				return err
			}
		}
		return conn.Exec(fmt.Sprintf(`DROP TABLE IF EXISTS %s`, name)).Error
	})
	return gone && err == nil, err
}

// latestOf gives the ids of what must stay of a month: the last events of aggregates
// that have no newer one. That may take long, so it is done in parts and before
// anything is locked: sent events of an old month do not change. What gets a newer one
// meanwhile stays until the next time.
func (o *Outbox) latestOf(ctx context.Context, name string) ([]string, error) {
	var stays []string
	for _, topic := range o.kept {
		last := ""
		for {
			var page []struct {
				AggregateID, ID string
				Newer           bool
			}
			err := o.db.Conn(ctx).Raw(fmt.Sprintf(`SELECT e.aggregate_id, e.id, EXISTS (
					SELECT 1 FROM outbox AS newer WHERE newer.topic = e.topic AND newer.aggregate_id = e.aggregate_id AND newer.version > e.version) AS newer
				FROM (SELECT topic, aggregate_id, MAX(version) AS version FROM %s WHERE topic = ? AND aggregate_id > ?
					GROUP BY topic, aggregate_id ORDER BY aggregate_id LIMIT ?) AS part
				JOIN %s AS e ON e.topic = part.topic AND e.aggregate_id = part.aggregate_id AND e.version = part.version
				ORDER BY e.aggregate_id`, name, name), topic, last, logPage).Scan(&page).Error
			if err != nil {
				return nil, err
			}
			for _, p := range page {
				if last = p.AggregateID; !p.Newer {
					stays = append(stays, p.ID)
				}
			}
			if len(page) < logPage {
				break
			}
		}
	}
	return stays, nil
}

// moveOut moves what must stay of a month to the default partition. Publishers wait
// from here to the end of the transaction.
func (o *Outbox) moveOut(conn *gorm.DB, name string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := conn.Exec(fmt.Sprintf(`ALTER TABLE outbox DETACH PARTITION %s`, name)).Error
	for part := range slices.Chunk(ids, insertAtOnce) {
		err = errors.Join(err, conn.Exec(fmt.Sprintf(`INSERT INTO outbox_default (id, topic, type, aggregate_id, version, lane, recorded_at, traceparent, data, sent_at)
			SELECT e.id, e.topic, e.type, e.aggregate_id, e.version, e.lane, e.recorded_at, e.traceparent, e.data, e.sent_at FROM %s AS e WHERE `,
			name)+o.db.Among("e.id"), o.db.List(part)).Error)
	}
	return err
}

func (o *Outbox) trimRows(ctx context.Context, before time.Time) (int64, error) {
	table, kept := "outbox", o.kept
	if len(kept) == 0 {
		kept = []string{""} // no topic is named so
	}
	if o.db.Dialect() == database.Postgres {
		table = "outbox_default"
	}
	var dropped int64
	for ctx.Err() == nil {
		var n int64
		err := o.db.Atomic(ctx, func(ctx context.Context) error {
			conn := o.db.Conn(ctx)
			done := conn.Exec(fmt.Sprintf(`DELETE FROM %s WHERE id IN (
				SELECT e.id FROM %s AS e WHERE e.recorded_at < ? AND e.sent_at IS NOT NULL AND (e.topic NOT IN ? OR EXISTS (
					SELECT 1 FROM outbox AS newer WHERE newer.topic = e.topic AND newer.aggregate_id = e.aggregate_id AND newer.version > e.version))
				ORDER BY e.recorded_at LIMIT ?)`, table, table),
				database.At(before), kept, trimAtOnce)
			if n = done.RowsAffected; done.Error != nil || n == 0 {
				return done.Error
			}
			return noteTrim(conn, before)
		})
		if err != nil {
			return dropped, fmt.Errorf("drop old events of the log: %w", err)
		}
		if dropped += n; n < trimAtOnce {
			break
		}
	}
	return dropped, ctx.Err()
}

// noteTrim records that the log no longer begins at the beginning. Retention that was
// made longer takes nothing of that back.
func noteTrim(conn *gorm.DB, before time.Time) error {
	return conn.Exec(`INSERT INTO outbox_trimmed (one, before) VALUES (1, ?)
		ON CONFLICT (one) DO UPDATE SET before = excluded.before WHERE outbox_trimmed.before < excluded.before`, database.At(before)).Error
}
