package event

const own = "INSERT INTO outbox (id) VALUES (?)"

const foreign = "SELECT id FROM carts" // want
