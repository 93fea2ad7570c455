package event

import (
	"context"
	"errors"
	"slices"
	"time"
)

// putOffMost is how many events a consumer puts off before it moves their cursors.
const putOffMost = 256

// flushLimit bounds the last moving of cursors when the process stops.
const flushLimit = 5 * time.Second

// putOff keeps events that nobody in the module handles: all that is to be done for
// them is to move their cursors, and for many that costs one transaction. They go
// with the next events of their topic that somebody handles, or once a second.
//
// The relay has marked them as sent by then. What a crash takes of them shows as a
// gap before the next event of its aggregate, and is fetched from the log. So it is
// done only where the logs of the sources are at hand, and while somebody attends.
type putOff struct {
	on     bool
	events []Envelope
}

// handles tells whether an event does more than move a cursor.
func (c *Consumer) handles(e Envelope) bool {
	return len(c.handlers[e.Type]) > 0 || len(c.many[e.Type]) > 0
}

// take gives the events that are to be applied now: none where all of them can be
// put off, else those that were put off before of the same topics, and these.
// before is how many of them were put off.
func (c *Consumer) take(events []Envelope) (batch []Envelope, before int) {
	c.putting.Lock()
	defer c.putting.Unlock()
	p := &c.later
	if p.on && len(p.events)+len(events) <= putOffMost && !slices.ContainsFunc(events, c.handles) {
		p.events = append(p.events, events...)
		return nil, 0
	}
	if len(p.events) == 0 {
		return events, 0
	}
	var left []Envelope
	for _, e := range p.events {
		if slices.ContainsFunc(events, func(o Envelope) bool { return o.Topic == e.Topic }) {
			batch = append(batch, e)
		} else {
			left = append(left, e)
		}
	}
	p.events = left
	return append(batch, events...), len(batch)
}

// giveBack keeps events again that could not be applied: nobody delivers them once more.
func (c *Consumer) giveBack(events []Envelope) {
	c.putting.Lock()
	defer c.putting.Unlock()
	c.later.events = append(slices.Clone(events), c.later.events...)
}

// putOffFrom says whether events are put off from now on.
func (c *Consumer) putOffFrom(on bool) {
	c.putting.Lock()
	defer c.putting.Unlock()
	c.later.on = on && !c.carried
}

// flush moves the cursors of all that was put off.
func (c *Consumer) flush(ctx context.Context) error {
	c.putting.Lock()
	events := c.later.events
	c.later.events = nil
	c.putting.Unlock()
	for len(events) > 0 {
		n := min(len(events), batchSize)
		if err := c.process(ctx, events[:n], false); err != nil {
			c.giveBack(events)
			if errors.Is(err, errMoved) {
				return nil // in a moment
			}
			return err
		}
		events = events[n:]
	}
	return nil
}

// settle ends the putting off and gives claims back, because the process stops.
func (c *Consumer) settle(ctx context.Context) {
	c.putOffFrom(false)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
	defer cancel()
	if err := errors.Join(c.flush(ctx), c.unclaim(ctx)); err != nil {
		c.log.WarnContext(ctx, "leave the inbox", "consumer", c.Name(), "error", err)
	}
}
