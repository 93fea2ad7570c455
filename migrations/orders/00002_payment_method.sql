-- +goose Up
-- What was placed before there were wallets was paid by card.
ALTER TABLE orders ADD COLUMN payment_method text NOT NULL DEFAULT 'card' CHECK (payment_method IN ('card', 'wallet'));

-- +goose Down
ALTER TABLE orders DROP COLUMN payment_method;
