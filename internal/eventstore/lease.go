package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/banyan-tree/banyan/internal/clock"
	"github.com/banyan-tree/banyan/internal/database"
)

// Only one process feeds the projections of a module. It holds a lease with an
// epoch, which every write that it makes checks and renews: who wakes up late
// changes nothing.
const (
	leaseTime  = 10 * time.Second
	leaseRenew = 3 * time.Second // while there is nothing to write
)

// errLost tells that another process feeds the projections now.
var errLost = errors.New("another process has taken the projections over")

// lease is what this process holds; epoch 0 is nothing.
type lease struct {
	db     *database.DB
	holder string
	epoch  int64
	until  time.Time
}

// take takes the lease where it is free. Reading comes first, so that waiting
// costs no write.
func (l *lease) take(ctx context.Context) (bool, error) {
	now := clock.System()
	var free bool
	err := l.db.Conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM stream_lease WHERE held_until <= ?)`, database.At(now)).Scan(&free).Error
	if err != nil {
		return false, fmt.Errorf("ask who feeds the projections of %s: %w", l.db.Module(), err)
	}
	if !free {
		return false, nil
	}
	var epochs []int64
	err = l.db.Atomic(ctx, func(ctx context.Context) error {
		epochs = nil
		return l.db.Conn(ctx).Raw(`UPDATE stream_lease SET holder = ?, epoch = epoch + 1, held_until = ?
			WHERE one = 1 AND held_until <= ? RETURNING epoch`,
			l.holder, database.At(now.Add(leaseTime)), database.At(now)).Scan(&epochs).Error
	})
	if err != nil || len(epochs) == 0 {
		return false, err
	}
	l.epoch, l.until = epochs[0], now.Add(leaseTime)
	return true, nil
}

// check renews the lease in the transaction of ctx, which nobody can take it in.
func (l *lease) check(ctx context.Context) error {
	until := clock.System().Add(leaseTime)
	tx := l.db.Conn(ctx).Exec(`UPDATE stream_lease SET held_until = ? WHERE one = 1 AND holder = ? AND epoch = ?`,
		database.At(until), l.holder, l.epoch)
	if tx.Error != nil {
		return tx.Error
	}
	if tx.RowsAffected != 1 {
		return errLost
	}
	l.until = until
	return nil
}

// keep renews the lease where it is due.
func (l *lease) keep(ctx context.Context) error {
	if time.Until(l.until) > leaseTime-leaseRenew {
		return nil
	}
	return l.db.Atomic(ctx, l.check)
}

// free gives the lease back, so that the next one need not wait.
func (l *lease) free(ctx context.Context) error {
	if l.epoch == 0 {
		return nil
	}
	return l.db.Atomic(ctx, func(ctx context.Context) error {
		return l.db.Conn(ctx).Exec(`UPDATE stream_lease SET held_until = ? WHERE one = 1 AND holder = ? AND epoch = ?`,
			database.At(clock.System()), l.holder, l.epoch).Error
	})
}

// Attended tells whether some process feeds the projections now.
func (f *Feed) Attended(ctx context.Context) (bool, error) {
	var held bool
	err := f.store.db.Conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM stream_lease WHERE held_until > ?)`, database.At(clock.System())).Scan(&held).Error
	if err != nil {
		return false, fmt.Errorf("ask who feeds the projections of %s: %w", f.store.db.Module(), err)
	}
	return held, nil
}

// Inherit ends the lease of whoever held it. It is for a server that starts alone;
// one that wakes up beside it finds that its epoch is over.
func (f *Feed) Inherit(ctx context.Context) error {
	err := f.store.db.Atomic(ctx, func(ctx context.Context) error {
		return f.store.db.Conn(ctx).Exec(`UPDATE stream_lease SET epoch = epoch + 1, held_until = ? WHERE one = 1`, database.At(clock.System())).Error
	})
	if err != nil {
		return fmt.Errorf("take over the projections of %s: %w", f.store.db.Module(), err)
	}
	return nil
}
