package core

import (
	"context"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/eventstore"
)

// keptIn are accounts of one currency. A wallet of another one is refused, to be read
// and to be changed: its 1000 cents would become 1000 yen.
type keptIn struct {
	Accounts
	currency string
}

func (k keptIn) check(l eventstore.Loaded[Account]) error {
	if l.Head.Version == 0 || l.State.Currency == k.currency {
		return nil
	}
	return fmt.Errorf("the wallet is kept in %s and the shop sells in %s: set currency back to %[1]s", l.State.Currency, k.currency)
}

// Fits looks at one wallet, as all are kept in one currency.
func (s *Service) Fits(ctx context.Context) error {
	users, err := s.Store.Streams(ctx, "", 1)
	if err == nil && len(users) > 0 {
		_, err = s.Accounts.Load(ctx, users[0])
	}
	return err
}

func (k keptIn) checked(l eventstore.Loaded[Account], err error) (eventstore.Loaded[Account], error) {
	if err == nil {
		err = k.check(l)
	}
	if err != nil {
		return eventstore.Loaded[Account]{}, err
	}
	return l, nil
}

// Load implements Accounts.
func (k keptIn) Load(ctx context.Context, userID string) (eventstore.Loaded[Account], error) {
	return k.checked(k.Accounts.Load(ctx, userID))
}

// At implements Accounts.
func (k keptIn) At(ctx context.Context, userID string, at time.Time) (eventstore.Loaded[Account], error) {
	return k.checked(k.Accounts.At(ctx, userID, at))
}

// To implements Accounts.
func (k keptIn) To(ctx context.Context, userID string, version int64) (eventstore.Loaded[Account], error) {
	return k.checked(k.Accounts.To(ctx, userID, version))
}

// Change implements Accounts.
func (k keptIn) Change(ctx context.Context, userID, command string, decide eventstore.Decide[Account],
	within func(ctx context.Context, c eventstore.Change[Account]) error) (eventstore.Change[Account], error) {
	return k.Accounts.Change(ctx, userID, command, func(l eventstore.Loaded[Account]) ([]any, error) {
		if err := k.check(l); err != nil {
			return nil, err
		}
		return decide(l)
	}, within)
}

// Walk implements Accounts.
func (k keptIn) Walk(ctx context.Context, from, to string, v eventstore.Visitor[Account]) error {
	end := v.End
	v.End = func(user string, l eventstore.Loaded[Account]) error {
		if err := k.check(l); err != nil {
			v.Broken(user, err)
		}
		return end(user, l)
	}
	return k.Accounts.Walk(ctx, from, to, v)
}
