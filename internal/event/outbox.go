package event

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
)

// lanes is how many parts an outbox is relayed in; the events of one aggregate
// are all in the same one. The migrations know this number too.
const lanes = 8

// insertAtOnce keeps a statement below the parameter limits of the databases.
const insertAtOnce = 1000

// Outbox writes events beside the change that caused them.
type Outbox struct {
	db      *database.DB
	now     clock.Clock
	ids     id.Source
	wake    chan struct{} // raised by a commit, drained by the relay
	metrics *metrics
	kept    []string      // topics whose last event of each aggregate no retention drops
	gather  time.Duration // how long events wait for others to travel with
}

// NewOutbox makes the outbox of the module that owns db.
func NewOutbox(db *database.DB, now clock.Clock, ids id.Source) *Outbox {
	return &Outbox{db: db, now: now, ids: ids, wake: make(chan struct{}, 1)}
}

// Gather makes events that follow others closely wait up to d, so that many are
// claimed, applied and marked together; one that comes alone goes at once. It is for
// events that nobody waits for who looks at a clock: what they cost falls with d.
// Set it up before the outbox is used.
func (o *Outbox) Gather(d time.Duration) *Outbox {
	o.gather = d
	return o
}

// Module that publishes through this outbox.
func (o *Outbox) Module() string { return o.db.Module() }

// row is one line of the table outbox.
type row struct {
	ID          string `gorm:"primaryKey"`
	Topic       string
	Type        string
	AggregateID string
	Version     int64
	Lane        int
	RecordedAt  database.Time
	Traceparent string
	Data        string
	SentAt      *database.Time
}

// TableName tells gorm where rows live.
func (row) TableName() string { return "outbox" }

func (r row) envelope(source string) Envelope {
	return Envelope{
		ID: r.ID, Source: source, Topic: r.Topic, Type: r.Type, AggregateID: r.AggregateID,
		Version: r.Version, Time: r.RecordedAt.Time, TraceParent: r.Traceparent, Data: json.RawMessage(r.Data),
	}
}

// Publish records events in the transaction that ctx carries (database.Atomic);
// without one it is database.ErrOutsideAtomic. The relay is woken by the commit. A version that
// the aggregate has used before is refused, by the end of the transaction at the
// latest, with gorm.ErrDuplicatedKey in the chain.
func (o *Outbox) Publish(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := o.rows(ctx, events)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(rows, insertAtOnce) {
		text, values := insertion(part)
		if err := o.db.Later(ctx).Exec(text, values...).Error; err != nil {
			return fmt.Errorf("publish %s: %w", events[0].Type, err)
		}
	}
	o.db.AfterCommit(ctx, func() {
		o.metrics.publish(o.db.Module(), len(rows))
		o.Wake()
	})
	return nil
}

const (
	insertRows = `INSERT INTO outbox (id, topic, type, aggregate_id, version, lane, recorded_at, traceparent, data) VALUES `
	insertRow  = `(?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// insertion is written by hand: every change of the shop goes through here, and
// gorm would find the columns of a row anew each time.
func insertion(rows []row) (text string, values []any) {
	values = make([]any, 0, 9*len(rows))
	for _, r := range rows {
		values = append(values, r.ID, r.Topic, r.Type, r.AggregateID, r.Version, r.Lane, r.RecordedAt, r.Traceparent, r.Data)
	}
	return insertRows + insertRow + strings.Repeat(", "+insertRow, len(rows)-1), values
}

// Wake tells the relay that there may be something to send.
func (o *Outbox) Wake() { raise(o.wake) }

func (o *Outbox) rows(ctx context.Context, events []Event) ([]row, error) {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	now := database.At(o.now())
	rows := make([]row, 0, len(events))
	for _, e := range events {
		data, err := json.Marshal(e.payload)
		if err != nil {
			return nil, fmt.Errorf("publish %s: write its payload: %w", e.Type, err)
		}
		r := row{
			ID: o.ids(), Topic: e.Topic, Type: e.Type, AggregateID: e.AggregateID, Version: e.Version,
			Lane: laneOf(e.AggregateID), RecordedAt: now, Traceparent: carrier["traceparent"], Data: string(data),
		}
		if err := r.envelope(o.db.Module()).check(); err != nil {
			return nil, fmt.Errorf("publish %s: %w", e.Type, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func laneOf(aggregateID string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(aggregateID)) // never fails
	return int(h.Sum32() % lanes)
}

// raise makes a wake-up call; one that was not answered yet is enough.
func raise(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
