// Package event records what happened in the transaction in which it happened
// (outbox), brings it to whoever listens at least once and in order per
// aggregate (relay), and applies it once (inbox).
//
// The outbox is also the event log: sent events stay until retention drops them,
// and a read model is rebuilt from them by Replay. The inbox remembers one
// version per aggregate, not one row per event: what is not above it is a
// duplicate, what is next is applied, what is further waits for the gap to close.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Type is one kind of event with its payload type. Its name is stable and
// append-only; a breaking change of the payload is a new name ("orders.confirmed.v2").
type Type[T any] struct {
	topic, name string
}

// Define makes an event type. topic names the kind of aggregate whose versions
// the events count ("orders.order"), name the event ("orders.confirmed").
func Define[T any](topic, name string) *Type[T] { return &Type[T]{topic: topic, name: name} }

// Name of the type, as on the wire.
func (t *Type[T]) Name() string { return t.name }

// Topic names the kind of aggregate that the event is about.
func (t *Type[T]) Topic() string { return t.topic }

// New makes an event about an aggregate. version counts the events of this
// aggregate in this topic, from 1, without gaps: consumers wait for a missing one.
func (t *Type[T]) New(aggregateID string, version int64, data T) Event {
	return Event{Topic: t.topic, Type: t.name, AggregateID: aggregateID, Version: version, payload: data}
}

// Event is something that happened and is not recorded yet.
type Event struct {
	Topic, Type, AggregateID string
	Version                  int64
	payload                  any
}

// Payload is what the event says, as it was given to New.
func (e Event) Payload() any { return e.payload }

// Envelope is a recorded event as it is stored and sent. JSON names are those
// of CloudEvents 1.0 where it has them.
type Envelope struct {
	ID          string          `json:"id"`
	Source      string          `json:"source"` // module that published it
	Topic       string          `json:"topic"`
	Type        string          `json:"type"`
	AggregateID string          `json:"subject"`
	Version     int64           `json:"aggregateversion"`
	Time        time.Time       `json:"time"`
	TraceParent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data"`
}

// Meta is what a handler is told about an event besides its payload.
type Meta struct {
	ID, AggregateID string
	Version         int64
	Time            time.Time
}

// Decode reads an envelope from its JSON form and refuses one that no outbox
// can have written. Fields that it does not know are ignored: a newer version
// of the publisher may send them.
func Decode(body []byte) (Envelope, error) {
	var e Envelope
	if !utf8.Valid(body) {
		return Envelope{}, errors.New("read an event: it is no valid UTF-8, which no database takes")
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return Envelope{}, fmt.Errorf("read an event: %w", err)
	}
	if err := e.check(); err != nil {
		return Envelope{}, fmt.Errorf("read an event: %w", err)
	}
	return e, nil
}

func (e Envelope) check() error {
	switch {
	case e.ID == "":
		return errors.New("it has no id")
	case e.Topic == "" || e.Type == "":
		return errors.New("it has no topic or no type")
	case e.AggregateID == "":
		return errors.New("it has no subject: name the aggregate it is about")
	case strings.ContainsRune(e.ID+e.Source+e.Topic+e.Type+e.AggregateID+e.TraceParent, 0):
		return errors.New("it has the character NUL in a name, which no database takes")
	case e.Version < 1:
		return fmt.Errorf("its version is %d: versions count from 1", e.Version)
	case len(e.Data) == 0:
		return errors.New("it has no data")
	}
	return nil
}

func (e Envelope) meta() Meta {
	return Meta{ID: e.ID, AggregateID: e.AggregateID, Version: e.Version, Time: e.Time}
}

func (e Envelope) key() key { return key{e.Topic, e.AggregateID} }

// key identifies an aggregate.
type key struct{ topic, aggregate string }
