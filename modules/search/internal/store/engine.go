package store

import (
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/banyan-tree/banyan/modules/search/internal/core"
)

// engine is what the databases do each in its own way: keep the words of texts,
// and find them.
type engine interface {
	// putDocuments writes rows with the words of their documents.
	putDocuments(conn *gorm.DB, rows []documentRow, documents []core.Document) error
	removeText(conn *gorm.DB, docs []int64) error
	// match is what the words of a document are held against: all terms, each by
	// any of its beginnings.
	match(terms []core.Term) string
	// matchTitle is match for words of titles, where the engine can tell; else match.
	matchTitle(terms []core.Term) string
	source(match bool) string
	place() string
}

var conflict = clause.OnConflict{
	Columns:   []clause.Column{{Name: "generation"}, {Name: "product_id"}},
	DoUpdates: clause.AssignmentColumns(documentColumns),
}

// sqlite keeps words in an FTS5 table without contents, under the document's id.
type sqlite struct{}

func (sqlite) putDocuments(conn *gorm.DB, rows []documentRow, documents []core.Document) error {
	for part := range slices.Chunk(rows, chunk) {
		if err := conn.Session(&gorm.Session{}).Clauses(conflict).Omit("doc_id").Create(&part).Error; err != nil {
			return err
		}
	}
	ids := make([]string, len(documents))
	for i, d := range documents {
		ids[i] = d.ProductID
	}
	at := map[string]int64{}
	for part := range slices.Chunk(ids, chunk) {
		var docs []documentRow
		err := conn.Select("doc_id", "product_id").Where("generation = ? AND product_id IN ?", rows[0].Generation, part).Find(&docs).Error
		if err != nil {
			return err
		}
		for _, d := range docs {
			at[d.ProductID] = d.DocID
		}
	}
	for part := range slices.Chunk(documents, 100) {
		values := make([]string, len(part))
		var args []any
		for i, d := range part {
			values[i] = `(?, ?, ?)`
			args = append(args, at[d.ProductID], strings.Join(d.Title, " "), strings.Join(d.Rest, " "))
		}
		err := conn.Exec(`INSERT OR REPLACE INTO documents_text (rowid, title, rest) VALUES `+strings.Join(values, ", "), args...).Error
		if err != nil {
			return err
		}
	}
	return nil
}

func (sqlite) removeText(conn *gorm.DB, docs []int64) error {
	if len(docs) == 0 {
		return nil
	}
	return conn.Exec(`DELETE FROM documents_text WHERE rowid IN ?`, docs).Error
}

// Words are letters and digits only, so quotes around them are all it takes.
func (sqlite) match(terms []core.Term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		beginnings := make([]string, len(t))
		for j, w := range t {
			beginnings[j] = `"` + w + `" *`
		}
		parts[i] = "(" + strings.Join(beginnings, " OR ") + ")"
	}
	return strings.Join(parts, " AND ")
}

func (e sqlite) matchTitle(terms []core.Term) string { return "{title} : (" + e.match(terms) + ")" }

// postgres keeps words in a column of the document, with an index over it.
type postgres struct{}

func (postgres) putDocuments(conn *gorm.DB, rows []documentRow, documents []core.Document) error {
	type textRow struct {
		Document documentRow `gorm:"embedded"`
		Words    string
	}
	withWords := conflict
	withWords.DoUpdates = clause.AssignmentColumns(append([]string{"words"}, documentColumns...))
	for from := 0; from < len(rows); from += chunk {
		part := make([]textRow, 0, chunk)
		for i := from; i < min(from+chunk, len(rows)); i++ {
			part = append(part, textRow{rows[i], vector(documents[i])})
		}
		if err := conn.Session(&gorm.Session{}).Table("documents").Clauses(withWords).Omit("doc_id").Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// vector is the words of a document as PostgreSQL writes them: 'clay' 'pot'.
func vector(d core.Document) string {
	words := slices.Concat(d.Title, d.Rest)
	slices.Sort(words)
	words = slices.Compact(words)
	return "'" + strings.Join(words, "' '") + "'"
}

func (postgres) removeText(*gorm.DB, []int64) error { return nil }

func (postgres) match(terms []core.Term) string {
	parts := make([]string, len(terms))
	for i, t := range terms {
		beginnings := make([]string, len(t))
		for j, w := range t {
			beginnings[j] = "'" + w + "':*"
		}
		parts[i] = "(" + strings.Join(beginnings, " | ") + ")"
	}
	return strings.Join(parts, " & ")
}

func (e postgres) matchTitle(terms []core.Term) string { return e.match(terms) }
