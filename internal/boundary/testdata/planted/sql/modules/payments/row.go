package payments

// Entry is a row type in a contract, where none belongs.
type Entry struct{ ID string }

func (Entry) TableName() string { return "charges" }
