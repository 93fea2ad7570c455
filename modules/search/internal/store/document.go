package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/internal/database"
	"github.com/banyan-tree/banyan/modules/search/internal/core"
)

// documentRow is a document without the words of its text, which engines keep.
type documentRow struct {
	DocID      int64 `gorm:"primaryKey"`
	Generation int64
	ProductID  string
	TitleKey   string
	LabelKey   string
	Category   string
	Vendor     string
	Price      int64
	PriceMost  int64
	CompareAt  *int64
	Currency   string
	InStock    int
	CreatedAt  database.Time `gorm:"autoCreateTime:false"`
	Shown      string
}

// TableName tells gorm where rows live.
func (documentRow) TableName() string { return "documents" }

type wordRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	Word       string `gorm:"primaryKey"`
	Mirrored   string
	Letters    int
}

// TableName tells gorm where rows live.
func (wordRow) TableName() string { return "words" }

type labelRow struct {
	Generation int64  `gorm:"primaryKey;autoIncrement:false"`
	Begins     string `gorm:"primaryKey"`
	Kind       string `gorm:"primaryKey"`
	Value      string `gorm:"primaryKey"`
}

// TableName tells gorm where rows live.
func (labelRow) TableName() string { return "labels" }

// PutDocuments implements core.Pieces.
func (s *Store) PutDocuments(ctx context.Context, generation int64, documents []core.Document) error {
	rows := make([]documentRow, len(documents))
	for i, d := range documents {
		shown, err := json.Marshal(d.Content)
		if err != nil {
			return fmt.Errorf("write document %s: %w", d.ProductID, err)
		}
		rows[i] = documentRow{
			Generation: generation, ProductID: d.ProductID, TitleKey: d.TitleKey, LabelKey: d.LabelKey,
			Category: d.Content.Category, Vendor: d.Content.Vendor, Price: d.Terms.Price, PriceMost: d.Terms.Most,
			CompareAt: d.Terms.CompareAt, Currency: d.Terms.Currency, InStock: number(d.Terms.InStock),
			CreatedAt: database.At(d.Content.CreatedAt), Shown: string(shown),
		}
	}
	if err := s.putDocuments(s.Conn(ctx), rows, documents); err != nil {
		return err
	}
	return s.learn(s.Conn(ctx), generation, documents)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// learn keeps the words and labels of documents. It never forgets one: whether a
// document has it is asked when it matters.
func (s *Store) learn(conn *gorm.DB, generation int64, documents []core.Document) error {
	words, labels := map[string]bool{}, map[labelRow]bool{}
	for _, d := range documents {
		for _, w := range d.Known {
			words[w] = true
		}
		for _, l := range d.Labels {
			for _, b := range l.Begins {
				labels[labelRow{generation, b, l.Kind, l.Value}] = true
			}
		}
	}
	once := conn.Clauses(clause.OnConflict{DoNothing: true}).Session(&gorm.Session{})
	var rows []wordRow
	for _, w := range slices.Sorted(maps.Keys(words)) { // one order for all, so that nobody deadlocks
		rows = append(rows, wordRow{Generation: generation, Word: w, Mirrored: mirror(w), Letters: utf8.RuneCountInString(w)})
	}
	if err := insert(once, rows); err != nil {
		return fmt.Errorf("keep words: %w", err)
	}
	list := slices.SortedFunc(maps.Keys(labels), func(a, b labelRow) int {
		return cmp.Or(strings.Compare(a.Begins, b.Begins), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Value, b.Value))
	})
	if err := insert(once, list); err != nil {
		return fmt.Errorf("keep categories and vendors: %w", err)
	}
	return nil
}

// mirror is a word backwards.
func mirror(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// documentColumns are those that a new version of a product may change.
var documentColumns = []string{
	"title_key", "label_key", "category", "vendor", "price", "price_most", "compare_at", "currency", "in_stock", "created_at", "shown",
}

// PutTerms implements core.Pieces.
func (s *Store) PutTerms(ctx context.Context, generation int64, terms map[string]core.Terms) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(terms)), chunk) {
		rows := make([]string, len(ids))
		args := make([]any, 0, 6*len(ids)+1)
		for i, id := range ids {
			t := terms[id]
			rows[i] = `(?, CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint), ?, CAST(? AS integer))`
			args = append(args, id, t.Price, t.Most, t.CompareAt, t.Currency, number(t.InStock))
		}
		err := s.Conn(ctx).Exec(`WITH new (product_id, price, price_most, compare_at, currency, in_stock) AS (VALUES `+strings.Join(rows, ", ")+`)
			UPDATE documents SET price = new.price, price_most = new.price_most, compare_at = new.compare_at,
				currency = new.currency, in_stock = new.in_stock
			FROM new WHERE documents.generation = ? AND documents.product_id = new.product_id`, append(args, generation)...).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove implements core.Pieces.
func (s *Store) Remove(ctx context.Context, generation int64, products []string) error {
	for ids := range slices.Chunk(products, chunk) {
		var docs []int64
		err := s.Conn(ctx).Raw(`DELETE FROM documents WHERE generation = ? AND product_id IN ? RETURNING doc_id`, generation, ids).Scan(&docs).Error
		if err == nil {
			err = s.removeText(s.Conn(ctx), docs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
