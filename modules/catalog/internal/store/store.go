// Package store keeps the catalog's products in SQL, in the tables of
// migrations/catalog and no others.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/internal/core"
)

// chunk bounds the rows or values of one statement: SQLite takes 32,766
// parameters, PostgreSQL 65,535, and a product's row has 13.
const chunk = 1000

// Store of the products.
type Store struct{ *database.DB }

var _ core.Store = (*Store)(nil)

// New makes the store of the module that owns db.
func New(db *database.DB) *Store { return &Store{DB: db} }

// Find gives the product, or none.
func (s *Store) Find(ctx context.Context, handle string) (catalog.Product, bool, error) {
	var rows []productRow
	if err := s.Conn(ctx).Where("handle = ?", handle).Limit(1).Find(&rows).Error; err != nil {
		return catalog.Product{}, false, fmt.Errorf("read product: %w", err)
	}
	products, err := toProducts(rows)
	if err != nil || len(products) == 0 {
		return catalog.Product{}, false, err
	}
	return products[0], true, nil
}

// Lock gives those that exist. It locks in the order of handles, so that two
// imports of the same products do not wait for each other.
func (s *Store) Lock(ctx context.Context, handles []string) ([]catalog.Product, error) {
	var all []productRow
	for part := range slices.Chunk(slices.Sorted(slices.Values(handles)), chunk) {
		var rows []productRow
		if err := s.locked(ctx).Where("handle IN ?", part).Order("handle").Find(&rows).Error; err != nil {
			return nil, fmt.Errorf("lock products: %w", err)
		}
		all = append(all, rows...)
	}
	return toProducts(all)
}

// locked is for reads of what is about to be changed. SQLite has one writer at a
// time and needs no row locks.
func (s *Store) locked(ctx context.Context) *gorm.DB {
	if s.Dialect() == database.Postgres {
		return s.Conn(ctx).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	return s.Conn(ctx)
}

// Owners gives the product of each SKU.
func (s *Store) Owners(ctx context.Context, skus []string) (map[string]string, error) {
	owners := make(map[string]string, len(skus))
	for part := range slices.Chunk(skus, chunk) {
		var rows []skuRow
		if err := s.Conn(ctx).Where("sku IN ?", part).Find(&rows).Error; err != nil {
			return nil, fmt.Errorf("read owners of SKUs: %w", err)
		}
		for _, r := range rows {
			owners[r.SKU] = r.ProductID
		}
	}
	return owners, nil
}

// Insert adds new products.
func (s *Store) Insert(ctx context.Context, products []catalog.Product) error {
	if len(products) == 0 {
		return nil
	}
	rows, err := toRows(products)
	if err != nil {
		return err
	}
	if err := insert(s.Conn(ctx), rows); err != nil {
		return fmt.Errorf("insert products: %w", err)
	}
	return s.index(ctx, products)
}

// Replace writes products that exist: one statement for all, and their SKUs and
// tags anew.
func (s *Store) Replace(ctx context.Context, products []catalog.Product) error {
	if len(products) == 0 {
		return nil
	}
	rows, err := toRows(products)
	if err != nil {
		return err
	}
	upsert := s.Conn(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "id"}},
		DoUpdates: clause.AssignmentColumns(mutable),
	})
	if err := insert(upsert, rows); err != nil {
		return fmt.Errorf("update products: %w", err)
	}
	ids := make([]string, len(products))
	for i, p := range products {
		ids[i] = p.ID
	}
	for part := range slices.Chunk(ids, chunk) {
		err := errors.Join(
			s.Conn(ctx).Where("product_id IN ?", part).Delete(&skuRow{}).Error,
			s.Conn(ctx).Where("product_id IN ?", part).Delete(&tagRow{}).Error,
		)
		if err != nil {
			return fmt.Errorf("clear index of products: %w", err)
		}
	}
	return s.index(ctx, products)
}

// index writes by which SKUs and tags the products are found.
func (s *Store) index(ctx context.Context, products []catalog.Product) error {
	var skus []skuRow
	var tags []tagRow
	for _, p := range products {
		for _, v := range p.Variants {
			skus = append(skus, skuRow{SKU: v.SKU, ProductID: p.ID})
		}
		for _, tag := range p.Tags {
			tags = append(tags, tagRow{ProductID: p.ID, Tag: tag})
		}
	}
	slices.SortFunc(skus, bySKU) // two that want the same SKUs do not wait for each other
	if err := insert(s.Conn(ctx), skus); err != nil {
		return fmt.Errorf("index SKUs: %w", err)
	}
	if err := insert(s.Conn(ctx), tags); err != nil {
		return fmt.Errorf("index tags: %w", err)
	}
	return nil
}

// insert adds rows, many a statement. A unique key that is there already is core.ErrTaken.
func insert[Row any](conn *gorm.DB, rows []Row) error {
	for part := range slices.Chunk(rows, chunk) {
		err := conn.Session(&gorm.Session{}).Create(&part).Error
		if errors.Is(err, gorm.ErrDuplicatedKey) {
			return errors.Join(core.ErrTaken, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
