-- +goose Up
CREATE TABLE carts (
    id text PRIMARY KEY,
    note text DEFAULT 'REFERENCES products (id)'
);
CREATE TABLE cart_lines (
    cart_id text REFERENCES carts (id),
    sku     text REFERENCES products (sku) -- want
);
CREATE INDEX cart_lines_sku ON cart_lines (sku);
CREATE INDEX foreign_sku ON products (sku); -- want
ALTER TABLE products ADD COLUMN in_carts bigint; -- want
INSERT INTO carts (id) SELECT sku FROM products; -- want
UPDATE stock SET sku = NULL; -- want
DELETE FROM unknown; -- want
INSERT INTO carts (id) VALUES ('1') ON CONFLICT (id) DO UPDATE SET note = excluded.note;
CREATE TABLE outbox (id text); -- want
-- +goose Down
DROP TABLE cart_lines;
DROP TABLE carts;
