package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/catalog"
	"github.com/banyan-tree/banyan/modules/catalog/internal/core"
)

// productRow is a product whole, its parts as JSON.
type productRow struct {
	ID              string `gorm:"primaryKey"`
	Handle          string
	Title           string
	DescriptionHTML string
	Vendor          string
	Category        string
	Tags            string
	Images          string
	Variants        string
	Status          string
	Version         int64
	CreatedAt       database.Time `gorm:"autoCreateTime:false"`
	UpdatedAt       database.Time `gorm:"autoUpdateTime:false"`
}

// mutable are the columns that a change may write.
var mutable = []string{
	"title", "description_html", "vendor", "category", "tags", "images", "variants", "status", "version", "updated_at",
}

// TableName tells gorm where rows live.
func (productRow) TableName() string { return "products" }

// skuRow says which product sells a SKU.
type skuRow struct {
	SKU       string `gorm:"primaryKey"`
	ProductID string
}

// TableName tells gorm where rows live.
func (skuRow) TableName() string { return "product_skus" }

func bySKU(a, b skuRow) int { return strings.Compare(a.SKU, b.SKU) }

// tagRow says that a product has a tag.
type tagRow struct {
	ProductID string `gorm:"primaryKey"`
	Tag       string `gorm:"primaryKey"`
}

// TableName tells gorm where rows live.
func (tagRow) TableName() string { return "product_tags" }

// List gives a page, newest first.
func (s *Store) List(ctx context.Context, q core.Query) ([]catalog.Product, error) {
	conn := s.Conn(ctx).Where("status = ?", q.Status)
	if q.Category != "" {
		conn = conn.Where("category = ?", q.Category)
	}
	if q.Vendor != "" {
		conn = conn.Where("vendor = ?", q.Vendor)
	}
	if q.Tag != "" {
		conn = conn.Where("id IN (SELECT product_id FROM product_tags WHERE tag = ?)", q.Tag)
	}
	if q.After != nil {
		conn = conn.Where("(created_at, id) < (?, ?)", database.At(q.After.CreatedAt), q.After.ID)
	}
	var rows []productRow
	if err := conn.Order("created_at DESC, id DESC").Limit(q.Limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	return toProducts(rows)
}

// Published gives the published products that sell any of the SKUs.
func (s *Store) Published(ctx context.Context, skus []string) ([]catalog.Product, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	var rows []productRow
	err := s.Conn(ctx).Select("id", "handle", "title", "variants").Where("status = ?", catalog.Published).
		Where("id IN (SELECT product_id FROM product_skus WHERE sku IN ?)", skus).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read products by SKU: %w", err)
	}
	return toProducts(rows)
}

// Indexed gives up to limit products with ids above after, in their order, and the
// SKUs that the index has for each.
func (s *Store) Indexed(ctx context.Context, after string, limit int) ([]core.Indexed, error) {
	var rows []productRow
	err := s.Conn(ctx).Select("id", "handle", "variants").Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	products, err := toProducts(rows)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	var skus []skuRow
	if err := s.Conn(ctx).Where("product_id IN ?", ids).Order("sku").Find(&skus).Error; err != nil {
		return nil, fmt.Errorf("read index of SKUs: %w", err)
	}
	of := map[string][]string{}
	for _, r := range skus {
		of[r.ProductID] = append(of[r.ProductID], r.SKU)
	}
	out := make([]core.Indexed, len(products))
	for i, p := range products {
		out[i] = core.Indexed{Product: p, SKUs: of[p.ID]}
		slices.Sort(out[i].SKUs) // PostgreSQL may sort by another alphabet
	}
	return out, nil
}

func toRows(products []catalog.Product) ([]productRow, error) {
	rows := make([]productRow, len(products))
	for i, p := range products {
		r := productRow{
			ID: p.ID, Handle: p.Handle, Title: p.Title, DescriptionHTML: p.DescriptionHTML,
			Vendor: p.Vendor, Category: p.Category, Status: p.Status, Version: p.Version,
			CreatedAt: database.At(p.CreatedAt), UpdatedAt: database.At(p.UpdatedAt),
		}
		for _, part := range []struct {
			to   *string
			from any
		}{{&r.Tags, p.Tags}, {&r.Images, p.Images}, {&r.Variants, p.Variants}} {
			text, err := json.Marshal(part.from)
			if err != nil {
				return nil, fmt.Errorf("write product %s: %w", p.Handle, err)
			}
			*part.to = string(text)
		}
		rows[i] = r
	}
	return rows, nil
}

func toProducts(rows []productRow) ([]catalog.Product, error) {
	products := make([]catalog.Product, len(rows))
	for i, r := range rows {
		p := catalog.Product{
			ID: r.ID, Handle: r.Handle, Title: r.Title, DescriptionHTML: r.DescriptionHTML,
			Vendor: r.Vendor, Category: r.Category, Status: r.Status, Version: r.Version,
			CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
		}
		for _, part := range []struct {
			from string
			to   any
		}{{r.Tags, &p.Tags}, {r.Images, &p.Images}, {r.Variants, &p.Variants}} {
			if part.from == "" {
				continue // not asked for
			}
			if err := json.Unmarshal([]byte(part.from), part.to); err != nil {
				return nil, fmt.Errorf("read product %s: %w", r.Handle, err)
			}
		}
		products[i] = p
	}
	return products, nil
}
