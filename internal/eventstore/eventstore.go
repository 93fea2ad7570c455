// Package eventstore keeps state as what happened: streams of events that are
// only ever added to. The state of a stream is the fold of its events, now or at
// any instant before; snapshots and a cache make that fast, and neither is needed
// for it to be right. Projections are read models that are fed from all streams
// in order, and can be built again beside the ones that serve.
//
// What belongs here: order, versions, conflicts, the names and schemas of events,
// leases and checkpoints. What does not: any event or word of the business, and
// messages to other modules: those are package event, published in the same
// transaction. Only where history itself is the business is this worth its price.
package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
)

// Store is the streams of one module.
type Store struct {
	db    *database.DB
	types *Registry
	now   clock.Clock
	log   *slog.Logger
	wake  chan struct{} // raised by a commit, drained by the feed

	snapshots chan func(context.Context) error // that are due
}

// snapshotsDue is how many may wait to be written; more are left out.
const snapshotsDue = 256

// New makes the store of the module that owns db.
func New(db *database.DB, types *Registry, now clock.Clock, log *slog.Logger) *Store {
	return &Store{
		db: db, types: types, now: now, log: log, wake: make(chan struct{}, 1),
		snapshots: make(chan func(context.Context) error, snapshotsDue),
	}
}

// Head is the end of a stream: what an append builds on. The zero value is a
// stream in which nothing happened.
type Head struct {
	Version int64     // of its last event, counted from 1
	At      time.Time // when that was recorded
	seal    int64     // of the append that did; Recorded.Head knows it
}

// Recorded is an event as it was recorded.
type Recorded struct {
	Stream   string
	Version  int64     // from 1, without gaps
	Position int64     // in the order of all streams, with gaps; 0 for one that was just appended
	At       time.Time // never before that of the version before
	Command  string    // the key of the command that caused it, empty for none
	Actor    string    // the principal who did it, empty for nobody
	Event    any       // a value of a registered type

	seal int64 // of the append that it came with
}

// Head is the end of the stream as the event left it.
func (r Recorded) Head() Head { return Head{Version: r.Version, At: r.At, seal: r.seal} }

// Conflict is in the chain where somebody else was faster: the stream has grown
// beyond the head that an append was built on, or its command has been recorded
// before. So it is where the head was lost, as a failover of the database can do.
// Load the stream again and decide anew.
type Conflict struct {
	Stream   string
	Expected int64 // the version that was to be built on
	cause    error
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("stream %s is no longer at version %d, or the command is known: load it again and decide anew", c.Stream, c.Expected)
}

// Unwrap gives what the database said.
func (c *Conflict) Unwrap() error { return c.cause }

// Errors of streams that this program cannot read; they are in the chain.
var (
	ErrUnknownType = errors.New("no type of event is registered under this name")
	ErrNewerSchema = errors.New("the event was written by a newer version of the program: update this one")
)

// row is one line of the table stream_events.
type row struct {
	Stream      string
	Version     int64
	Position    int64 `gorm:"->"` // given by the database
	Type        string
	Schema      int
	RecordedAt  database.Time
	Command     string
	Nth         int // of the events of its command
	Actor       string
	Traceparent string
	Data        string
	// Seal is drawn at random for each append. It tells an event from another one that
	// was recorded under its version: a failover of the database can lose the one, and
	// somebody who did not have it records the other. Neither the instant nor the
	// position would do, which can come again. 0 is what older versions of the program
	// recorded.
	Seal int64
}

// TableName tells gorm where events live.
func (row) TableName() string { return "stream_events" }

func (r row) recorded(types *Registry) (Recorded, error) {
	e, err := types.Decode(r.Type, r.Schema, []byte(r.Data))
	if err != nil {
		return Recorded{}, fmt.Errorf("read version %d of stream %s: %w", r.Version, r.Stream, err)
	}
	return Recorded{
		Stream: r.Stream, Version: r.Version, Position: r.Position, At: r.RecordedAt.Time,
		Command: r.Command, Actor: r.Actor, Event: e, seal: r.Seal,
	}, nil
}
