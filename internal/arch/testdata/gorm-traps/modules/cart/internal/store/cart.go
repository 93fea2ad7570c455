package store

import (
	"context"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

type row struct {
	ID      string
	Deleted gorm.DeletedAt // want
}

const columns = "id, "

var orders = map[bool]string{true: "id", false: "id DESC"}

func traps(db *gorm.DB, id string, r row) {
	db.Save(&r)                                                  // want
	db.FirstOrCreate(&r)                                         // want
	db.First(&r, id)                                             // want
	db.Delete(&r, "id = ?", id)                                  // want
	db.Where("id = " + id).Find(&r)                              // want
	db.Where(fmt.Sprintf("id = %s", id)).Find(&r)                // want
	db.Raw("SELECT " + strings.Join([]string{id}, ",")).Scan(&r) // want
	db.Order(columns + id).Find(&r)                              // want
}

func fine(db *gorm.DB, id string, asc bool, many []row) {
	skip := ""
	if asc {
		skip = " FOR UPDATE"
	}
	values := make([]string, len(many))
	for i := range many {
		values[i] = "(?)"
	}
	db.Where("id = ?", id).Find(&many)
	db.Raw("SELECT " + columns + "name FROM carts ORDER BY " + orders[asc] + skip)
	db.Exec("INSERT INTO carts (id) VALUES " + strings.Join(values, ", "))
	byText(db, "id = ?", id)
}

func byText(db *gorm.DB, condition, id string) { db.Where("a AND "+condition, id) }

// ByText is open to all, so nobody knows what comes.
func ByText(db *gorm.DB, anything string) { db.Where("a AND " + anything) } // want

type repository struct{}

func (repository) Save(context.Context, row) {}

func save(ctx context.Context, s repository, r row) { s.Save(ctx, r) }
