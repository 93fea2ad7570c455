package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/search/internal/core"
)

type productRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	ProductID  string `gorm:"primaryKey"`
	Version    int64
	Published  bool
	Content    string
}

// TableName tells gorm where rows live.
func (productRow) TableName() string { return "product_pieces" }

type variantRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	ProductID  string `gorm:"primaryKey"`
	SKU        string `gorm:"primaryKey"`
}

// TableName tells gorm where rows live.
func (variantRow) TableName() string { return "variant_pieces" }

type offerRow struct {
	Generation   int64  `gorm:"primaryKey;autoIncrement:false"`
	SKU          string `gorm:"primaryKey"`
	PriceVersion int64
	Amount       *int64
	CompareAt    *int64
	Currency     *string
	StockVersion int64
	Available    *int64
}

// TableName tells gorm where rows live.
func (offerRow) TableName() string { return "offer_pieces" }

// upsert inserts rows, and replaces columns of those that are there where the
// condition holds. With PostgreSQL the rows are locked in either case.
func upsert[Row any](conn *gorm.DB, rows []Row, keys, columns []string, where string) error {
	conflict := clause.OnConflict{DoUpdates: clause.AssignmentColumns(columns)}
	for _, k := range keys {
		conflict.Columns = append(conflict.Columns, clause.Column{Name: k})
	}
	if where != "" {
		conflict.Where = clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: where}}}
	}
	for part := range slices.Chunk(rows, chunk) {
		if err := conn.Session(&gorm.Session{}).Clauses(conflict).Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// PutProducts implements core.Pieces. It locks the SKUs before the products, as
// those do who write offers.
func (s *Store) PutProducts(ctx context.Context, generation int64, products []core.Product) ([]string, error) {
	rows := make([]productRow, len(products))
	ids := make([]string, len(products))
	var offers []offerRow
	for i, p := range products {
		content, err := json.Marshal(p.Content)
		if err != nil {
			return nil, fmt.Errorf("write product %s: %w", p.ID, err)
		}
		ids[i] = p.ID
		rows[i] = productRow{Generation: generation, ProductID: p.ID, Version: p.Version, Published: p.Published, Content: string(content)}
		for _, sku := range p.Content.SKUs {
			offers = append(offers, offerRow{Generation: generation, SKU: sku})
		}
	}
	slices.SortFunc(offers, bySKU)
	offers = slices.CompactFunc(offers, func(a, b offerRow) bool { return a.SKU == b.SKU })
	conn := s.Conn(ctx)
	if err := upsert(conn, offers, []string{"generation", "sku"}, []string{"sku"}, ""); err != nil {
		return nil, err
	}
	err := upsert(conn, rows, []string{"generation", "product_id"}, []string{"version", "published", "content"}, "excluded.version >= product_pieces.version")
	if err != nil {
		return nil, err
	}
	var kept []productRow
	err = conn.Select("product_id", "version").Where("generation = ? AND product_id IN ?", generation, ids).Find(&kept).Error
	if err != nil {
		return nil, err
	}
	version := make(map[string]int64, len(kept))
	for _, k := range kept {
		version[k.ProductID] = k.Version
	}
	var changed []string
	var variants []variantRow
	for _, p := range products {
		if version[p.ID] != p.Version {
			continue // a newer one was there
		}
		changed = append(changed, p.ID)
		for _, sku := range p.Content.SKUs {
			variants = append(variants, variantRow{Generation: generation, ProductID: p.ID, SKU: sku})
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	if err := conn.Where("generation = ? AND product_id IN ?", generation, changed).Delete(&variantRow{}).Error; err != nil {
		return nil, err
	}
	return changed, insert(conn, variants)
}

func insert[Row any](conn *gorm.DB, rows []Row) error {
	for part := range slices.Chunk(rows, chunk) {
		if err := conn.Session(&gorm.Session{}).Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

func bySKU(a, b offerRow) int {
	if a.SKU < b.SKU {
		return -1
	}
	if a.SKU > b.SKU {
		return 1
	}
	return 0
}

// PutPrices implements core.Pieces.
func (s *Store) PutPrices(ctx context.Context, generation int64, prices []core.Price) error {
	rows := make([]offerRow, len(prices))
	for i, p := range prices {
		rows[i] = offerRow{Generation: generation, SKU: p.SKU, PriceVersion: p.Version, Amount: &p.Amount, CompareAt: p.CompareAt, Currency: &p.Currency}
	}
	return upsert(s.Conn(ctx), rows, []string{"generation", "sku"}, []string{"price_version", "amount", "compare_at", "currency"},
		"excluded.price_version >= offer_pieces.price_version")
}

// PutLevels implements core.Pieces.
func (s *Store) PutLevels(ctx context.Context, generation int64, levels []core.Level) error {
	rows := make([]offerRow, len(levels))
	for i, l := range levels {
		rows[i] = offerRow{Generation: generation, SKU: l.SKU, StockVersion: l.Version, Available: &l.Available}
	}
	return upsert(s.Conn(ctx), rows, []string{"generation", "sku"}, []string{"stock_version", "available"},
		"excluded.stock_version >= offer_pieces.stock_version")
}

// Sellers implements core.Pieces.
func (s *Store) Sellers(ctx context.Context, generation int64, skus []string) ([]string, error) {
	var ids []string
	err := s.Conn(ctx).Model(&variantRow{}).Distinct("product_id").Where("generation = ? AND sku IN ?", generation, skus).
		Order("product_id").Pluck("product_id", &ids).Error
	return ids, err
}

// Lock implements core.Pieces.
func (s *Store) Lock(ctx context.Context, generation int64, products []string) ([]core.Standing, error) {
	conn := s.Conn(ctx).Select("product_id", "published").Where("generation = ? AND product_id IN ?", generation, products).Order("product_id")
	if s.Dialect() == database.Postgres {
		conn = conn.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	var rows []productRow
	if err := conn.Find(&rows).Error; err != nil {
		return nil, err
	}
	var offers []struct {
		ProductID string
		SKU       string
		Amount    *int64
		CompareAt *int64
		Currency  *string
		Available *int64
	}
	err := s.Conn(ctx).Raw(`SELECT v.product_id, v.sku, o.amount, o.compare_at, o.currency, o.available
		FROM variant_pieces AS v JOIN offer_pieces AS o ON o.generation = v.generation AND o.sku = v.sku
		WHERE v.generation = ? AND v.product_id IN ? ORDER BY v.product_id, v.sku`, generation, products).Scan(&offers).Error
	if err != nil {
		return nil, err
	}
	var there []string
	err = s.Conn(ctx).Model(&documentRow{}).Where("generation = ? AND product_id IN ?", generation, products).Pluck("product_id", &there).Error
	if err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(there))
	for _, id := range there {
		has[id] = true
	}
	of := map[string][]core.Offer{}
	for _, o := range offers {
		offer := core.Offer{SKU: o.SKU, Amount: o.Amount, CompareAt: o.CompareAt}
		if o.Currency != nil {
			offer.Currency = *o.Currency
		}
		if o.Available != nil {
			offer.Available = *o.Available
		}
		of[o.ProductID] = append(of[o.ProductID], offer)
	}
	standing := make([]core.Standing, len(rows))
	for i, r := range rows {
		standing[i] = core.Standing{ProductID: r.ProductID, Published: r.Published, Document: has[r.ProductID], Offers: of[r.ProductID]}
	}
	return standing, nil
}

// Contents implements core.Pieces.
func (s *Store) Contents(ctx context.Context, generation int64, products []string) (map[string]core.Content, error) {
	var rows []productRow
	err := s.Conn(ctx).Select("product_id", "content").Where("generation = ? AND product_id IN ?", generation, products).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	contents := make(map[string]core.Content, len(rows))
	for _, r := range rows {
		var c core.Content
		if err := json.Unmarshal([]byte(r.Content), &c); err != nil {
			return nil, fmt.Errorf("read product %s: %w", r.ProductID, err)
		}
		contents[r.ProductID] = c
	}
	return contents, nil
}
