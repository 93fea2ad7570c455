package database

// BeginWith makes transactions begin with another statement.
func (db *DB) BeginWith(statement string) { db.begin = statement }
