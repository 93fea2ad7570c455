-- +goose Up
-- A payment is for an order or for a deposit into a wallet; order_id is the id of
-- either, and unique among both. Rows of older versions are orders'.
ALTER TABLE payments ADD COLUMN purpose text NOT NULL DEFAULT 'order' CHECK (purpose IN ('order', 'deposit'));

-- +goose Down
ALTER TABLE payments DROP COLUMN purpose;
