package sandbox

const own = "DELETE FROM charges"

const foreign = "DELETE FROM payments" // want
