package store

const own = `SELECT id FROM carts JOIN lines ON true WHERE from products FOR UPDATE SKIP LOCKED`

const joined = `SELECT * FROM carts JOIN products ON true` // want

const changed = "UPDATE products SET id = ?" // want

type row struct{}

func (row) TableName() string { return "carts" }

type stolen struct{}

func (stolen) TableName() string { return "products" } // want

func at(db interface{ Table(string) }) {
	db.Table("outbox") // want
	db.Table("carts")
}
