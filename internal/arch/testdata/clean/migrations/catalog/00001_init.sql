-- +goose Up
CREATE TABLE products (sku text PRIMARY KEY);
-- +goose Down
DROP TABLE products;
