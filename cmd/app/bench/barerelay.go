package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// barePoll finds what another process committed, which raises no wake-up call.
const barePoll = time.Second

// unsentRow is an event that is not marked as sent.
type unsentRow struct {
	ID   string
	Data string
}

// relayAll carries what is in the outbox for as long as it lives. Marking what has
// arrived and reading what is next is one round trip. It never rests while there is
// something: rests of 2, 5 and 10 ms carried no more, only later.
func (p *barePipe) relayAll(ctx context.Context) error {
	var sent []string
	for ctx.Err() == nil {
		select {
		case <-p.wake: // what was committed by now is read now
		default:
		}
		rows, err := p.next(ctx, sent)
		if err != nil {
			return err
		}
		sent = sent[:0]
		if len(rows) == 0 {
			p.rest(ctx)
			continue
		}
		bodies := make([][]byte, len(rows))
		for i, r := range rows {
			bodies[i] = []byte(r.Data)
		}
		if err := p.carry(ctx, bodies); err != nil {
			return err
		}
		for _, r := range rows {
			sent = append(sent, r.ID)
		}
	}
	return nil
}

// next marks what was sent and gives the oldest that were not.
func (p *barePipe) next(ctx context.Context, sent []string) (rows []unsentRow, err error) {
	var both pgx.Batch
	if len(sent) > 0 {
		both.Queue(`UPDATE limit_outbox_events SET sent_at = now() WHERE id = ANY($1)`, sent)
	}
	both.Queue(`SELECT id, data FROM limit_outbox_events WHERE sent_at IS NULL ORDER BY id LIMIT $1`, bareAtOnce).Query(func(r pgx.Rows) error {
		rows, err = pgx.CollectRows(r, pgx.RowToStructByPos[unsentRow])
		return err
	})
	return rows, p.relay.SendBatch(ctx, &both).Close()
}

// rest waits for a commit, for the next poll, or for the end.
func (p *barePipe) rest(ctx context.Context) {
	timer := time.NewTimer(barePoll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.wake:
	case <-ctx.Done():
	}
}
