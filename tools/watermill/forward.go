package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
)

// write is the transaction: a row of business and its event.
func (p *pipe) write(ctx context.Context) error {
	n := news{Order: watermill.NewUUID(), Cents: 4550, At: time.Now()}
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	lane := int(p.next.Add(1)) % p.lanes // a shop would take a hash of the aggregate
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO mill_business (id) VALUES ($1)`, n.Order); err != nil {
			return err
		}
		out, err := sql.NewPublisher(sql.TxFromPgx(tx), sql.PublisherConfig{SchemaAdapter: outbox()}, watermill.NopLogger{})
		if err != nil {
			return err
		}
		msg := message.NewMessage(n.Order, raw)
		msg.SetContext(ctx)
		return forwarder.NewPublisher(out, forwarder.PublisherConfig{ForwarderTopic: outboxOf(lane)}).Publish(queueOf(lane), msg)
	})
}

func outboxOf(lane int) string { return fmt.Sprintf("outbox_%d", lane) }
func queueOf(lane int) string  { return fmt.Sprintf("happened_%d", lane) }

func outbox() sql.SchemaAdapter { return sql.DefaultPostgreSQLSchema{SubscribeBatchSize: batch} }

// forward starts a forwarder for each lane, which waits for each confirmation before
// it sends the next message.
func (p *pipe) forward(url string) error {
	to, err := amqp.NewPublisher(p.onQuorum(url), watermill.NopLogger{})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, to.Close)
	for lane := range p.lanes {
		from, err := sql.NewSubscriber(sql.BeginnerFromPgx(p.pool), sql.SubscriberConfig{
			PollInterval: poll, SchemaAdapter: outbox(), OffsetsAdapter: sql.DefaultPostgreSQLOffsetsAdapter{},
		}, watermill.NopLogger{})
		if err != nil {
			return err
		}
		p.closers = append(p.closers, from.Close)
		if err := from.SubscribeInitialize(outboxOf(lane)); err != nil {
			return err
		}
		f, err := forwarder.NewForwarder(from, to, watermill.NopLogger{}, forwarder.Config{ForwarderTopic: outboxOf(lane)})
		if err != nil {
			return err
		}
		go func() {
			if err := f.Run(context.Background()); err != nil {
				p.failed <- err
			}
		}()
		p.closers = append(p.closers, f.Close)
	}
	return nil
}
