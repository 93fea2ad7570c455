package event

import (
	"context"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/internal/id"
)

// Outbox writes events beside the change that caused them.
type Outbox struct{}

// NewOutbox makes the outbox of the module that owns db.
func NewOutbox(db *database.DB, now clock.Clock, ids id.Source) *Outbox { panic("kit") }

// Publish records events in the transaction that ctx carries (database.Atomic);
// without one it is an error. The relay is woken by the commit.
func (o *Outbox) Publish(ctx context.Context, events ...Event) error { panic("kit") }

// Consumer applies events of other modules for one module, with its inbox in that module's database.
type Consumer struct{}

// NewConsumer makes the consumer of the module that owns db; its name is the module's.
func NewConsumer(db *database.DB, now clock.Clock) *Consumer { panic("kit") }
