// Package event records what happened in the transaction in which it happened
// (outbox), brings it to whoever listens at least once and in order per
// aggregate (relay), and applies it once (inbox).
package event

import (
	"context"
	"encoding/json"
	"time"
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

// On makes consumer c apply fn to every event of type t, in the consumer's own
// transaction, which ctx carries. fn must touch only the consumer's own data and
// call nothing outside; an error rolls its effects back and is retried later.
func On[T any](c *Consumer, t *Type[T], fn func(ctx context.Context, m Meta, data T) error) {
	panic("kit")
}
