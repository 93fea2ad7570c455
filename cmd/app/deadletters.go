package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/banyan-tree/banyan/internal/event"
	"github.com/banyan-tree/banyan/internal/fault"
	"github.com/banyan-tree/banyan/internal/rabbit"
)

// putAside is the state of a message that the broker keeps because no process
// could take it over.
const putAside = "put aside"

// dropped is the state of an event that a person gave up.
const dropped = "dropped"

// deadList gives what a consumer could not apply, in its inbox and on the broker.
func (s *shop) deadList(ctx context.Context, c *event.Consumer, limit int) ([]event.Dead, error) {
	list, err := c.DeadList(ctx, limit)
	if err != nil || s.Broker == nil {
		return list, err
	}
	letters, err := s.BrokerOf(c.Name()).DeadLetters(ctx, c.Name(), limit)
	if err != nil {
		return nil, fmt.Errorf("read the dead letters of %s on the broker: %w", c.Name(), err)
	}
	for _, l := range letters {
		list = append(list, asDead(l))
	}
	return list, nil
}

func asDead(l rabbit.DeadLetter) event.Dead {
	body, _ := json.Marshal(l.Body) // a string: it cannot fail
	return event.Dead{
		Event:    event.Envelope{ID: l.ID, Type: l.Type, Time: l.At, Data: body},
		Consumer: l.Module, State: putAside, Reason: l.Reason, FirstSeen: l.At,
	}
}

// deadShow gives one. Codes: NotFound.
func (s *shop) deadShow(ctx context.Context, c *event.Consumer, id string) (event.Dead, error) {
	dead, missing := c.DeadShow(ctx, id)
	if s.Broker == nil || !errors.Is(missing, fault.NotFound) {
		return dead, missing
	}
	letters, err := s.BrokerOf(c.Name()).DeadLetters(ctx, c.Name(), deadLooked)
	if err != nil {
		return dead, err
	}
	if i := slices.IndexFunc(letters, func(l rabbit.DeadLetter) bool { return l.ID == id }); i >= 0 {
		return asDead(letters[i]), nil
	}
	return dead, missing
}

// deadLooked bounds how many messages are looked through for one.
const deadLooked = 10_000

// deadReplay tries events again, those that the broker keeps too. Where one of the
// ids is wrong, nothing is done. Codes: NotFound, Invalid.
func (s *shop) deadReplay(ctx context.Context, c *event.Consumer, ids ...string) (int64, error) {
	for _, id := range ids {
		dead, err := s.deadShow(ctx, c, id)
		if err != nil {
			return 0, err
		}
		if dead.State == dropped {
			return 0, fault.Invalid.Errorf("event %s was given up at %s, and what waited behind it went on: it cannot be tried again", id, c.Name())
		}
	}
	n, err := c.DeadReplay(ctx, ids...)
	if err != nil || s.Broker == nil {
		return n, err
	}
	again, err := s.BrokerOf(c.Name()).ReplayDead(ctx, c.Name(), ids...)
	return n + int64(again), err
}

// deadDrop gives one up. An event that the broker keeps is on record as dropped in the
// consumer's inbox before the broker forgets it; where that did not come to an end, it
// may be repeated. Codes: NotFound, Invalid.
func (s *shop) deadDrop(ctx context.Context, c *event.Consumer, id, reason string) error {
	if reason == "" {
		return fault.Invalid.Errorf("say why event %s is dropped", id)
	}
	dead, missing := c.DeadShow(ctx, id)
	if s.Broker == nil || missing == nil && dead.State != dropped || missing != nil && !errors.Is(missing, fault.NotFound) {
		return c.DeadDrop(ctx, id, reason)
	}
	err := s.BrokerOf(c.Name()).DropDead(ctx, c.Name(), id, func(l rabbit.DeadLetter) error {
		if l.Event == nil {
			return nil
		}
		return c.GiveUp(ctx, *l.Event, reason, l.Reason)
	})
	if missing == nil && errors.Is(err, fault.NotFound) {
		return c.DeadDrop(ctx, id, reason) // it tells that it was dropped already
	}
	if err != nil {
		return err
	}
	s.log.WarnContext(ctx, "a dead letter was given up", "consumer", c.Name(), "message", id, "reason", reason)
	return nil
}
