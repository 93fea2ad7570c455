package store

const own = "DELETE FROM payments"

const foreign = "DELETE FROM charges" // want
