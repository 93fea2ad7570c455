// Package event is as much of the kit as the corpus needs.
package event

import (
	"context"

	"example.com/shop/internal/database"
)

type Type[T any] struct{ topic, name string }

func Define[T any](topic, name string) *Type[T] { return &Type[T]{topic, name} }

func (t *Type[T]) New(id string, data T) Event { return Event{} }

type Event struct{ Topic, Type string }

type Outbox struct{ db *database.DB }

func NewOutbox(db *database.DB) *Outbox { return &Outbox{db: db} }

func (o *Outbox) Publish(ctx context.Context, events ...Event) error {
	return o.db.Conn(ctx).Exec("INSERT INTO outbox (id) VALUES (?)", "x").Error
}

type handler func(ctx context.Context, data []byte) error

type Consumer struct {
	db       *database.DB
	handlers map[string][]handler
}

func NewConsumer(db *database.DB) *Consumer {
	return &Consumer{db: db, handlers: map[string][]handler{}}
}

func On[T any](c *Consumer, t *Type[T], fn func(ctx context.Context, data T) error) {
	c.handlers[t.name] = append(c.handlers[t.name], func(ctx context.Context, raw []byte) error {
		var data T
		return fn(ctx, data)
	})
}

func (c *Consumer) Deliver(ctx context.Context, name string) error {
	return c.db.Atomic(ctx, func(ctx context.Context) error {
		for _, h := range c.handlers[name] {
			if err := h(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func OutboxMigrations() database.Migrations { return database.Migrations{Name: "outbox"} }
