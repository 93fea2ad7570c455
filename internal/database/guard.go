package database

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
)

// watch puts a step before every gorm operation, and one after those that set
// their error without having it translated.
func (db *DB) watch() error {
	const name = "banyan:guard"
	c := db.gorm.Callback()
	return errors.Join(
		c.Create().Before("*").Register(name, guardWrite),
		c.Update().Before("*").Register(name, guardWrite),
		c.Delete().Before("*").Register(name, guardWrite),
		c.Raw().Before("*").Register(name, guardWrite),
		c.Query().Before("*").Register(name, guardRead),
		c.Row().Before("*").Register(name, guardRead),
		c.Row().After("*").Register("banyan:judge", func(g *gorm.DB) {
			if j, ok := g.Dialector.(judge); ok && g.Error != nil {
				g.Error = j.Translate(g.Error)
			}
		}),
	)
}

func guardWrite(g *gorm.DB) {
	if _, ok := g.Statement.ConnPool.(*txPool); !ok {
		_ = g.AddError(ErrOutsideAtomic)
		return
	}
	guardRead(g)
}

// guardRead lets nothing follow a failed statement. PostgreSQL sees to that
// itself; SQLite would go on, or even go on outside the transaction when it had
// to undo it for a full disk.
func guardRead(g *gorm.DB) {
	p, ok := g.Statement.ConnPool.(*txPool)
	if !ok {
		return
	}
	if err := p.t.failure(); err != nil {
		_ = g.AddError(broken(err))
	}
}

// judge is a dialect that also gives errors their meaning, and remembers them with
// the transaction. gorm translates every error here, also those that come while
// rows are read, after the last callback.
type judge struct {
	gorm.Dialector
	ctx context.Context //nolint:containedctx // lives as long as the gorm session that carries the same context
	t   *tx             // nil outside a transaction
}

var _ gorm.ErrorTranslator = judge{}

// Translate implements gorm.ErrorTranslator.
func (j judge) Translate(err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) || errors.Is(err, ErrOutsideAtomic) || errors.Is(err, ErrTrespass) {
		return err
	}
	if t, ok := j.Dialector.(gorm.ErrorTranslator); ok {
		err = t.Translate(err)
	}
	if j.t == nil && readOnly(err) {
		return fmt.Errorf("%w: %w", ErrOutsideAtomic, err)
	}
	err = Fault(j.ctx, err)
	if j.t != nil {
		j.t.fail(err)
	}
	return err
}
